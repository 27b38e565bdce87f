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
static const double PANEL = 640, GAP = 48, RING = 3; /* of a grid */
static const colour INK = {0x22, 0x22, 0x22}, GREY = {0x66, 0x66, 0x66}, PALE = {0xBB, 0xBB, 0xBB};

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
    const int used = snprintf(text, PLOT_LETTERS, rows ? "%.40s, n = %s" : "%.40s", method, count);
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

/* Where points go: the upper left corner, and the longer side. */
typedef struct frame {
    double x, y, side;
    int    square; /* 1: both sides are as long, else the shorter one is as long as the points need it */
} frame;

/* How discs look, for so many points in a square of that side, and memory for all of them. */
static ne_status plot_discs(plot *to, size_t rows, double side, size_t total)
{
    const double n = (double)rows, smaller = side / AREA;
    to->radius     = fmin(fmax(70 / cbrt(n), 1), 9) * fmin(1, 1.6 * smaller);
    to->rim        = rows <= 2000 ? 0.18 * to->radius : 0;
    to->opacity    = fmin(fmax(0.9 - 0.17 * log10(n / 1000), 0.3), 0.9);
    to->key_radius = KEY;
    to->discs      = malloc(total * sizeof *to->discs);
    return to->discs ? NE_OK : ne_fail(NE_OUT_OF_MEMORY, "no memory for a picture of %zu points", total);
}

/* How the columns of a picture map to its frame. */
typedef struct mapping {
    span   x, y;
    double across, down, scale; /* pixels a unit */
    double width, height;
    size_t bands; /* one column: one below the other; 0: two columns */
} mapping;

static mapping plot_mapping(const plot_request *request, frame in, double inset)
{
    const int banded = request->cols == 1, labelled = has_labels(request);
    mapping   to    = {.x = plot_span(request, 0), .y = banded ? (span){0, 0} : plot_span(request, 1)};
    double    ratio = 1;
    if (request->in_disk) to.x = to.y = (span){-1, 1};
    if (banded) to.bands = labelled && !labels_are_continuous(request->labels) ? request->labels->classes : 1;
    const span x = to.x, y = to.y;
    if (!banded && !in.square && x.high > x.low && y.high > y.low)
        ratio = fmin(fmax((x.high - x.low) / (y.high - y.low), 0.6), 1 / 0.6);
    to.width  = in.side * fmin(ratio, 1);
    to.height = in.side * fmin(1 / ratio, 1);
    if (banded && !in.square) to.height = fmin(fmax((double)to.bands * BAND, 3 * BAND), in.side);

    to.across = x.high > x.low ? (to.width - inset) / (x.high - x.low) : 0;
    to.down   = y.high > y.low ? (to.height - inset) / (y.high - y.low) : 0;
    to.scale  = to.across > 0 && to.down > 0 ? fmin(to.across, to.down) : fmax(to.across, to.down);
    return to;
}

/* Fills the frame with the points of a request; size receives what is used of it. */
static void plot_points(plot *to, const plot_request *request, frame in, double size[2])
{
    const double  inset  = 2 * (to->radius + to->rim);
    const mapping by     = plot_mapping(request, in, inset);
    const double  middle = in.x + by.width / 2, center = in.y + by.height / 2, band = by.height / (double)by.bands;
    plot_disc    *discs = to->discs + to->disc_count;
    for (size_t i = 0; i < request->rows; i++) {
        plot_disc *disc = &discs[i];
        disc->with      = has_labels(request) ? plot_colour(request->labels, i) : colour_of_class(0, 1);
        disc->x         = plot_place(request, i, 0, by.x, by.scale, middle);
        if (by.bands) {
            const size_t which = by.bands > 1 ? (size_t)request->labels->code[i] : 0;
            disc->y            = (float)(in.y + band * ((double)which + 0.5 + 0.7 * (plot_uniform(i) - 0.5)));
        } else {
            disc->y = 2 * (float)center - plot_place(request, i, 1, by.y, by.scale, center);
        }
    }
    plot_shuffle(discs, request->rows);
    to->disc_count += request->rows;
    if (request->in_disk) to->rings[to->ring_count++] = (plot_ring){middle, center, by.scale + to->radius, RING, PALE};
    size[0] = by.width;
    size[1] = by.height;
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

/* The legend or the bar, beside what is height pixels high; returns its width. */
static double plot_explain(plot *to, const labels *of, double left, double top, double height)
{
    if (!of || of->count == 0) return 0;
    return labels_are_continuous(of) ? plot_bar(to, of, left, top, height) : plot_legend(to, of, left, top, height);
}

ne_status plot_init(plot *to, const plot_request *request)
{
    const double top = MARGIN + (request->title ? 1.4 * TEXT : 0);
    double       size[2];
    *to                = (plot){0};
    const ne_status st = plot_discs(to, request->rows, AREA, request->rows);
    if (st != NE_OK) return st;

    plot_points(to, request, (frame){MARGIN, top, AREA, 0}, size);
    if (request->title) plot_say(to, MARGIN, MARGIN + 0.72 * TEXT, 0, GREY, request->title);
    const double left  = MARGIN + size[0] + LINE;
    const double right = plot_explain(to, request->labels, left, top, size[1]);
    const double used  = MARGIN + fmax(size[0], request->title ? font_width(request->title, TEXT) : 0);
    to->width          = ceil(fmax(right > 0 ? left + right : 0, used) + MARGIN);
    to->height         = ceil(top + size[1] + MARGIN);
    return NE_OK;
}

/* As many columns as make the grid about as wide as high, and wide rather than high. */
static size_t grid_columns(size_t count)
{
    size_t columns = 1;
    while (columns * columns < count) columns++;
    return count <= 3 ? count : columns;
}

ne_status plot_grid(plot *to, const plot_request *panels, size_t count)
{
    const size_t columns = grid_columns(count), lines = (count + columns - 1) / columns;
    const double title = 1.4 * TEXT, across = PANEL + GAP, down = title + PANEL + GAP;
    size_t       total = 0;
    double       size[2];
    *to = (plot){0};
    if (count > PLOT_PANELS)
        return ne_fail(NE_UNSUPPORTED, "a picture of %zu panels; %d are the most", count, PLOT_PANELS);
    for (size_t p = 0; p < count; p++) total += panels[p].rows;
    const ne_status st = plot_discs(to, panels[0].rows, PANEL, total);
    if (st != NE_OK) return st;

    for (size_t p = 0; p < count; p++) {
        plot_request panel = panels[p];
        const double left = MARGIN + (double)(p % columns) * across, top = MARGIN + (double)(p / columns) * down;
        panel.labels = panels[0].labels;
        plot_say(to, left, top + 0.72 * TEXT, 0, INK, panel.title);
        plot_points(to, &panel, (frame){left, top + title, PANEL, 1}, size);
    }
    const double width = (double)columns * across - GAP, height = (double)lines * down - GAP;
    const double left  = MARGIN + width + LINE;
    const double right = plot_explain(to, panels[0].labels, left, MARGIN + title, height - title);
    to->width          = ceil((right > 0 ? left + right : MARGIN + width) + MARGIN);
    to->height         = ceil(MARGIN + height + MARGIN);
    return NE_OK;
}

void plot_clear(plot *of)
{
    free(of->discs);
    of->discs      = NULL;
    of->disc_count = 0;
}
