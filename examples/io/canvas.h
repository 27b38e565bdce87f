/* io/canvas.h: a picture made of pixels, on which discs, boxes and text are drawn with smooth edges. */
#ifndef IO_CANVAS_H
#define IO_CANVAS_H

#include "io/colour.h"
#include "ne.h"

typedef struct canvas {
    size_t width, height;
    float *pixels; /* width * height * 3, in [0, 255], top row first */
} canvas;

/** A white canvas. errors: NE_OUT_OF_MEMORY. */
ne_status canvas_init(canvas *on, size_t width, size_t height);
void      canvas_clear(canvas *on);

/** Pixel (i, j) covers [j, j + 1) x [i, i + 1), y downwards; opacity in [0, 1]. What is outside is left out. */
void canvas_disc(canvas *on, double x, double y, double radius, colour with, double opacity);
/** A circle, its line `width` wide and half of that to each side of the radius. */
void canvas_ring(canvas *on, double x, double y, double radius, double width, colour with);
void canvas_box(canvas *on, double x, double y, double width, double height, colour with);
/** Text whose baseline begins at (x, y), or ends there, or has its middle there: anchor is 0, 1 or 0.5. */
void canvas_text(canvas *on, double x, double y, double size, double anchor, colour with, const char *text);

#endif
