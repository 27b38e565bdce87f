/* io/colour.h: colours for classes and for scales. */
#ifndef IO_COLOUR_H
#define IO_COLOUR_H

#include <stddef.h>

typedef struct colour {
    unsigned char r, g, b; /* sRGB */
} colour;

/** A colour for each of `classes`; the first 10 are told apart by most colour-blind readers, the first 20 by all others. */
colour colour_of_class(size_t index, size_t classes);
/** A scale from dark blue through green to light yellow, even in lightness; position is in [0, 1]. */
colour colour_of_scale(double position);
/** The sRGB colour of OKLCH (lightness 0 to 1, chroma, hue in degrees), less chroma where sRGB has no such colour. */
colour colour_from_oklch(double lightness, double chroma, double hue);

#endif
