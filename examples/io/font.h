/* io/font.h: a stroke font for ASCII. Letters are center lines; whoever draws gives them their width. */
#ifndef IO_FONT_H
#define IO_FONT_H

#include <stddef.h>

/** Heights in the font's own units; size is the height of a line of text, as CSS counts it. */
enum {
    FONT_CAPITAL = 20,
    FONT_SIZE    = 28
};

/** Width of text at a size. UTF-8: what is not ASCII counts as one box a character. */
double font_width(const char *text, double size);

/** Called for each straight piece of the center lines, of text that begins at (0, 0) with y upwards. letter counts the
 *  letters: the pieces of one letter come one after the other. A dot is a piece of length 0. */
typedef void (*font_piece_fn)(void *user, size_t letter, double x0, double y0, double x1, double y1);
void font_trace(const char *text, double size, font_piece_fn piece, void *user);

#endif
