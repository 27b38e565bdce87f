/* io/plot.c: the layout of a scatter picture.
 *
 * Sizes are those of a figure in print: at 300 dots to the inch the picture is 13 to 16 cm wide, and its text 8 points
 * high. Discs shrink with the cube root of the number of points, slower than the room for each: in an embedding points
 * crowd, and discs that never touch would show no clusters. */
#include "io/plot.h"
#include "io/font.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double AREA = 1400, MARGIN = 40, TEXT = 34, LINE = 52, KEY = 11, BAND = 110, BAR = 36;
static const colour INK = {0x22, 0x22, 0x22}, GREY = {0x66, 0x66, 0x66};

enum {
    NAME_LETTERS = 28,
    BAR_SLICES   = 128
};

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a random number of a counter. */
static uint64_t plot_random(uint64_t counter)
{
    uint64_t z = (counter + 1) * 0x9E3779B97F4A7C15u;
    z          = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z          = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double plot_uniform(uint64_t counter)
{
    return (double)(plot_random(counter) >> 11) * 0x1p-53;
}

static int has_labels(const plot_request *request)
{
    return request->labels && request->labels->count > 0;
}

static void plot_say(plot *to, double x, double y, double anchor, colour with, const char *text)
{
    if (to->text_count == PLOT_TEXTS) return;
    plot_text *next = &to->texts[to->text_count++];
    *next           = (plot_text){.x = x, .y = y, .size = TEXT, .anchor = anchor, .with = with};
    snprintf(next->text, sizeof next->text, "%s", text);
}

/* A class's name as it fits a legend: NAME_LETTERS letters of UTF-8, no control characters. */
static void plot_name(const char *name, char text[PLOT_LETTERS])
{
    size_t letters = 0, bytes = 0;
    for (; bytes < PLOT_LETTERS - 8 && name[bytes]; bytes++) {
        const unsigned char c = (unsigned char)name[bytes];
        letters += (c & 0xC0) != 0x80;
        if (letters > NAME_LETTERS) break;
        text[bytes] = (char)(c < ' ' || c == 127 ? ' ' : c);
    }
    snprintf(text + bytes, PLOT_LETTERS - bytes, "%s", name[bytes] ? "..." : bytes ? "" : "(empty)");
}

void plot_title(const char *method, size_t rows, size_t cols, char text[PLOT_LETTERS])
{
    char digits[32], count[48];
    snprintf(digits, sizeof digits, "%zu", rows);
    size_t to = 0;
    for (size_t left = strlen(digits), i = 0; left > 0; left--, i++) {
        count[to++] = digits[i];
        if (left > 1 && left % 3 == 1) count[to++] = ',';
    }
    count[to]      = 0;
    const int used = snprintf(text, PLOT_LETTERS, "%.40s, n = %s", method, count);
    if (cols == 1) snprintf(text + used, PLOT_LETTERS - (size_t)used, ", in 1 dimension; heights are random");
    if (cols > 2) snprintf(text + used, PLOT_LETTERS - (size_t)used, ", first 2 principal axes of %zu", cols);
}

/* --- The points */

typedef struct span {
    double low, high;
} span;

static span plot_span(const plot_request *request, size_t column)
{
    span of = {DBL_MAX, -DBL_MAX};
    for (size_t i = 0; i < request->rows; i++) {
        const double v = (double)request->y[i * request->cols + column];
        if (!isfinite(v)) continue;
        of.low  = fmin(of.low, v);
        of.high = fmax(of.high, v);
    }
    if (!(of.low <= of.high)) of = (span){0, 0};
    return of;
}

static colour plot_colour(const labels *of, size_t i)
{
    const size_t class = (size_t)of->code[i];
    if (!labels_are_continuous(of)) return colour_of_class(class, of->classes);
    const double low = of->value[0], high = of->value[of->classes - 1];
    return colour_of_scale((of->value[class] - low) / (high - low));
}

/* Where column j of y lies between `from` and `from + room`; in the middle when all points have one place. */
static float plot_place(const plot_request *request, size_t i, size_t j, span of, double scale, double middle)
{
    const double v = (double)request->y[i * request->cols + j];
    return (float)(isfinite(v) ? middle + scale * (v - (of.low + of.high) / 2) : -1e6); /* outside of the picture */
}

static void plot_shuffle(plot_disc *discs, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t    other = (size_t)(plot_random(i) % i);
        const plot_disc held  = discs[other];
        discs[other]          = discs[i - 1];
        discs[i - 1]          = held;
    }
}

/* Fills the area of width x height pixels whose upper left corner is (MARGIN, top); sets the size that it takes. */
static ne_status plot_points(plot *to, const plot_request *request, double top, double *width, double *height)
{
    const double n = (double)request->rows;
    to->radius     = fmin(fmax(70 / cbrt(n), 1), 9);
    to->rim        = request->rows <= 2000 ? 0.18 * to->radius : 0;
    to->opacity    = fmin(fmax(0.9 - 0.17 * log10(n / 1000), 0.3), 0.9);
    to->key_radius = KEY;
    to->discs      = malloc(request->rows * sizeof *to->discs);
    to->disc_count = request->rows;
    if (!to->discs) return ne_fail(NE_OUT_OF_MEMORY, "no memory for a picture of %zu points", request->rows);

    const int    banded = request->cols == 1, labelled = has_labels(request);
    const size_t bands = banded && labelled && !labels_are_continuous(request->labels) ? request->labels->classes : 1;
    const double inset = 2 * (to->radius + to->rim);
    const span   x = plot_span(request, 0), y = banded ? (span){0, 0} : plot_span(request, 1);
    double       ratio = 1;
    if (!banded && x.high > x.low && y.high > y.low)
        ratio = fmin(fmax((x.high - x.low) / (y.high - y.low), 0.6), 1 / 0.6);
    *width  = AREA * fmin(ratio, 1);
    *height = banded ? fmin(fmax((double)bands * BAND, 3 * BAND), AREA) : AREA * fmin(1 / ratio, 1);

    const double across = x.high > x.low ? (*width - inset) / (x.high - x.low) : 0;
    const double down   = y.high > y.low ? (*height - inset) / (y.high - y.low) : 0;
    const double scale  = across > 0 && down > 0 ? fmin(across, down) : fmax(across, down);
    const double middle = MARGIN + *width / 2, center = top + *height / 2, band = *height / (double)bands;
    for (size_t i = 0; i < request->rows; i++) {
        plot_disc *disc = &to->discs[i];
        disc->with      = labelled ? plot_colour(request->labels, i) : colour_of_class(0, 1);
        disc->x         = plot_place(request, i, 0, x, scale, middle);
        disc->y         = banded ? 0 : 2 * (float)center - plot_place(request, i, 1, y, scale, center);
        if (banded) {
            const size_t which = bands > 1 ? (size_t)request->labels->code[i] : 0;
            disc->y            = (float)(top + band * ((double)which + 0.5 + 0.7 * (plot_uniform(i) - 0.5)));
        }
    }
    plot_shuffle(to->discs, to->disc_count);
    return NE_OK;
}

/* --- What stands to the right of them; each returns its width */

static double plot_legend(plot *to, const labels *of, double left, double top, double height)
{
    const size_t shown  = of->classes <= PLOT_KEYS ? of->classes : PLOT_KEYS - 1;
    const size_t lines  = shown + (shown < of->classes);
    const size_t titled = of->title != NULL;
    const size_t fits   = (size_t)(height / LINE) > titled + 1 ? (size_t)(height / LINE) - titled : 1;
    const size_t column = fits < lines ? fits : lines; /* entries below each other */
    const double first  = top + (height - (double)(column + titled) * LINE) / 2 + LINE / 2;
    char         text[PLOT_LETTERS];
    double       x = left, widest = 0;

    if (titled) {
        plot_name(of->title, text);
        plot_say(to, left, first + 0.36 * TEXT, 0, INK, text);
        widest = font_width(text, TEXT);
    }
    for (size_t k = 0; k < lines; k++) {
        if (k > 0 && k % column == 0) {
            x += widest + LINE;
            widest = 0;
        }
        const double y = first + (double)(k % column + titled) * LINE;
        if (k < shown) {
            plot_name(of->name[k], text);
            to->keys[to->key_count++] = (plot_disc){(float)(x + KEY), (float)y, colour_of_class(k, of->classes)};
        } else {
            snprintf(text, sizeof text, "and %zu more", of->classes - shown);
        }
        plot_say(to, x + 3.4 * KEY, y + 0.36 * TEXT, 0, INK, text);
        widest = fmax(widest, 3.4 * KEY + font_width(text, TEXT));
    }
    return x + widest - left;
}

/* The step 1, 2 or 5 times a power of ten that parts a range into four to ten. */
static double plot_tick(double range)
{
    const double power = pow(10, floor(log10(range / 4)));
    const double parts = range / 4 / power;
    return power * (parts >= 5 ? 5 : parts >= 2 ? 2 : 1);
}

static double plot_bar(plot *to, const labels *of, double left, double top, double height)
{
    const double low = of->value[0], high = of->value[of->classes - 1], step = plot_tick(high - low);
    const double tall = 0.6 * height, first = top + 0.2 * height;
    char         text[PLOT_LETTERS];
    double       width = BAR;
    for (int i = 0; i < BAR_SLICES; i++) { /* each reaches under the next, so that no seam shows */
        const double slice = tall / BAR_SLICES, reach = i + 1 < BAR_SLICES ? 1.5 * slice : slice;
        to->boxes[to->box_count++] =
            (plot_box){left, first + i * slice, BAR, reach, colour_of_scale(1 - (i + 0.5) / BAR_SLICES)};
    }
    for (double k = ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && to->box_count < PLOT_BOXES; k++) {
        const double y = first + tall * (high - k * step) / (high - low);
        snprintf(text, sizeof text, "%.6g", k * step + 0.0); /* of -0 it makes 0 */
        to->boxes[to->box_count++] = (plot_box){left + BAR, y - 1, 10, 2, INK};
        plot_say(to, left + BAR + 22, y + 0.36 * TEXT, 0, INK, text);
        width = fmax(width, BAR + 22 + font_width(text, TEXT));
    }
    if (of->title) {
        plot_name(of->title, text);
        plot_say(to, left, first - 0.8 * TEXT, 0, INK, text);
        width = fmax(width, font_width(text, TEXT));
    }
    return width;
}

ne_status plot_init(plot *to, const plot_request *request)
{
    const double top   = MARGIN + (request->title ? 1.4 * TEXT : 0);
    double       width = 0, height = 0, right = 0;
    *to                = (plot){0};
    const ne_status st = plot_points(to, request, top, &width, &height);
    if (st != NE_OK) return st;

    if (request->title) plot_say(to, MARGIN, MARGIN + 0.72 * TEXT, 0, GREY, request->title);
    const double left = MARGIN + width + LINE;
    if (has_labels(request))
        right = labels_are_continuous(request->labels) ? plot_bar(to, request->labels, left, top, height)
                                                       : plot_legend(to, request->labels, left, top, height);
    const double used = MARGIN + fmax(width, request->title ? font_width(request->title, TEXT) : 0);
    to->width         = ceil(fmax(right > 0 ? left + right : 0, used) + MARGIN);
    to->height        = ceil(top + height + MARGIN);
    return NE_OK;
}

void plot_clear(plot *of)
{
    free(of->discs);
    of->discs      = NULL;
    of->disc_count = 0;
}
