/* io/plot.h: a scatter picture of an embedding: what is to be drawn, and where. plot_png() and plot_svg() draw it. */
#ifndef IO_PLOT_H
#define IO_PLOT_H

#include "io/colour.h"
#include "io/labels.h"

#include <stdio.h>

enum {
    PLOT_KEYS    = 60,
    PLOT_BOXES   = 160,
    PLOT_PANELS  = 64,
    PLOT_TEXTS   = PLOT_KEYS + PLOT_PANELS + 16,
    PLOT_LETTERS = 160,
    PLOT_DPI     = 300
};

typedef struct plot_disc {
    float  x, y;
    colour with;
} plot_disc;

typedef struct plot_box {
    double x, y, width, height;
    colour with;
} plot_box;

typedef struct plot_ring {
    double x, y, radius, width; /* the line lies half inside and half outside of the radius */
    colour with;
} plot_ring;

typedef struct plot_text {
    double x, y, size, anchor; /* y is that of the baseline; anchor as in canvas_text() */
    colour with;
    char   text[PLOT_LETTERS];
} plot_text;

/** A display list, in pixels of PLOT_DPI to the inch, y downwards. Drawn in this order. */
typedef struct plot {
    double     width, height;
    plot_ring  rings[PLOT_PANELS]; /* below the points */
    size_t     ring_count;
    plot_disc *discs; /* one a point, in drawing order */
    size_t     disc_count;
    double     radius, rim, opacity; /* of discs; the rim is white, around each */
    plot_disc  keys[PLOT_KEYS];      /* the discs of the legend, opaque */
    size_t     key_count;
    double     key_radius;
    plot_box   boxes[PLOT_BOXES]; /* the colour bar */
    size_t     box_count;
    plot_text  texts[PLOT_TEXTS];
    size_t     text_count;
} plot;

/** What to show: y is rows x cols, and the first two columns of it are drawn, or the only one. */
typedef struct plot_request {
    const float  *y;
    size_t        rows, cols;
    const labels *labels; /* may have no rows: then all points have one colour */
    const char   *title;
    int           in_disk; /* 1: points of the unit disk, which is drawn, and fixes the scale */
} plot_request;

/** "tsne, n = 10,000", without the number where rows is 0, and how cols columns were brought into the plane when they
 *  are not two. */
void plot_title(const char *method, size_t rows, size_t cols, char text[PLOT_LETTERS]);

/** Lays the picture out. Two columns are drawn to one scale; one column is drawn across, and points are spread downwards
 *  at random, a band for each class. Up to 20 classes, or any number of words, get a colour each and a legend; more
 *  numbers get a scale of colours and a bar. The points are drawn in a random order, the same every time, so that no class
 *  covers another for being the last. */
ne_status plot_init(plot *to, const plot_request *request);
/** The same for count pictures side by side, 2 to PLOT_PANELS: each in a square panel under its title, all with the
 *  labels of the first, which have one legend. errors: NE_UNSUPPORTED: more panels than that. */
ne_status plot_grid(plot *to, const plot_request *panels, size_t count);
void      plot_clear(plot *of);

/** Draws into a file. errors: NE_OUT_OF_MEMORY, NE_IO of libpng; those of the disk stay in the stream. */
ne_status plot_png(const plot *from, FILE *file);
ne_status plot_svg(const plot *from, FILE *file);

#endif
