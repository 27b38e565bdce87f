/* io/canvas.c: drawing by coverage. How much of a pixel a shape covers is taken from the distance of the pixel's center
 * to the shape's edge, clamp(1/2 - distance): exact for a straight edge along the pixels, and for a disc of radius r the
 * sum over pixels is pi (r^2 + 1/12) for r >= 1/2. Colours are mixed in sRGB, as browsers and printers mix them. */
#include "io/canvas.h"
#include "io/font.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    PIECES = 512
}; /* of one letter; '@', the longest, has 94 */

ne_status canvas_init(canvas *on, size_t width, size_t height)
{
    *on = (canvas){.width = width, .height = height};
    if (width && height <= SIZE_MAX / width / (3 * sizeof *on->pixels))
        on->pixels = malloc(width * height * 3 * sizeof *on->pixels);
    if (!on->pixels) return ne_fail(NE_OUT_OF_MEMORY, "no memory for a picture of %zu x %zu pixels", width, height);
    for (size_t i = 0; i < width * height * 3; i++) on->pixels[i] = 255;
    return NE_OK;
}

void canvas_clear(canvas *on)
{
    free(on->pixels);
    *on = (canvas){0};
}

static void canvas_blend(canvas *on, size_t row, size_t col, colour with, double opacity)
{
    float *const pixel    = on->pixels + 3 * (row * on->width + col);
    const float  a        = (float)opacity;
    const float  parts[3] = {with.r, with.g, with.b};
    for (int i = 0; i < 3; i++) pixel[i] += (parts[i] - pixel[i]) * a;
}

static double coverage(double inside)
{
    return fmin(fmax(inside + 0.5, 0), 1);
}

/* The pixels from low to high, cut to [0, count). */
static size_t pixel_first(double low)
{
    return low > 0 ? (size_t)low : 0;
}

static size_t pixel_end(double high, size_t count)
{
    return high < 0 ? 0 : high + 1 < (double)count ? (size_t)high + 1 : count;
}

void canvas_disc(canvas *on, double x, double y, double radius, colour with, double opacity)
{
    const double reach = radius + 1;
    for (size_t i = pixel_first(y - reach); i < pixel_end(y + reach, on->height); i++)
        for (size_t j = pixel_first(x - reach); j < pixel_end(x + reach, on->width); j++) {
            const double distance = hypot((double)j + 0.5 - x, (double)i + 0.5 - y);
            const double covered  = coverage(radius - distance);
            if (covered > 0) canvas_blend(on, i, j, with, covered * opacity);
        }
}

void canvas_ring(canvas *on, double x, double y, double radius, double width, colour with)
{
    const double reach = radius + width + 1;
    for (size_t i = pixel_first(y - reach); i < pixel_end(y + reach, on->height); i++)
        for (size_t j = pixel_first(x - reach); j < pixel_end(x + reach, on->width); j++) {
            const double distance = hypot((double)j + 0.5 - x, (double)i + 0.5 - y);
            const double covered  = coverage(width / 2 - fabs(distance - radius));
            if (covered > 0) canvas_blend(on, i, j, with, covered);
        }
}

void canvas_box(canvas *on, double x, double y, double width, double height, colour with)
{
    for (size_t i = pixel_first(y); i < pixel_end(y + height, on->height); i++)
        for (size_t j = pixel_first(x); j < pixel_end(x + width, on->width); j++) {
            const double top = (double)i, left = (double)j;
            const double down   = fmin(top + 1, y + height) - fmax(top, y);
            const double across = fmin(left + 1, x + width) - fmax(left, x);
            if (down > 0 && across > 0) canvas_blend(on, i, j, with, down * across);
        }
}

/* A letter is collected piece by piece, then drawn at once: where two strokes meet the ink must not count twice. A dot
 * is a little wider than a stroke, or it would look lighter. */
typedef struct letter {
    canvas *on;
    double  x, y, radius; /* of the baseline's begin; half the width of a stroke */
    colour  with;
    size_t  number, count;
    double  piece[PIECES][4]; /* x and y of both ends */
} letter;

/* How far (x, y) is inside a piece drawn `radius` to each side. */
static double piece_inside(const double piece[4], double radius, double x, double y)
{
    const double dx = piece[2] - piece[0], dy = piece[3] - piece[1], length = dx * dx + dy * dy;
    const double along = length > 0 ? fmin(fmax(((x - piece[0]) * dx + (y - piece[1]) * dy) / length, 0), 1) : 0;
    const double wide  = length > 0 ? radius : 1.4 * radius;
    return wide - hypot(x - piece[0] - along * dx, y - piece[1] - along * dy);
}

static void letter_draw(letter *of)
{
    double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
    for (size_t p = 0; p < of->count; p++)
        for (int end = 0; end < 4; end += 2) {
            low_x  = fmin(low_x, of->piece[p][end]);
            high_x = fmax(high_x, of->piece[p][end]);
            low_y  = fmin(low_y, of->piece[p][end + 1]);
            high_y = fmax(high_y, of->piece[p][end + 1]);
        }
    const double reach = 1.4 * of->radius + 1;
    for (size_t i = pixel_first(low_y - reach); of->count && i < pixel_end(high_y + reach, of->on->height); i++)
        for (size_t j = pixel_first(low_x - reach); j < pixel_end(high_x + reach, of->on->width); j++) {
            double inside = -INFINITY;
            for (size_t p = 0; p < of->count; p++)
                inside = fmax(inside, piece_inside(of->piece[p], of->radius, (double)j + 0.5, (double)i + 0.5));
            const double covered = coverage(inside);
            if (covered > 0) canvas_blend(of->on, i, j, of->with, covered);
        }
    of->count = 0;
}

static void letter_add(void *user, size_t number, double x0, double y0, double x1, double y1)
{
    letter *of = user;
    if (number != of->number) letter_draw(of);
    of->number = number;
    if (of->count == PIECES) return;
    double *piece = of->piece[of->count++];
    piece[0]      = of->x + x0;
    piece[1]      = of->y - y0;
    piece[2]      = of->x + x1;
    piece[3]      = of->y - y1;
}

void canvas_text(canvas *on, double x, double y, double size, double anchor, colour with, const char *text)
{
    letter of = {.on = on, .x = x - anchor * font_width(text, size), .y = y, .radius = 0.046 * size, .with = with};
    font_trace(text, size, letter_add, &of);
    letter_draw(&of);
}
