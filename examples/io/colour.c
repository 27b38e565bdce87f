/* io/colour.c: colours, chosen in OKLab (Bjorn Ottosson, "A perceptual color space for image processing", 2020), in which
 * equal distances look about equally large.
 *
 * The palette is the result of a search: of all sRGB colours in steps of 15 with lightness 0.42 to 0.80 and chroma 0.085
 * to 0.20, the ten with the largest smallest distance, where the distance of two colours is the smallest of that seen
 * with normal sight and, times 1.25, 1.25 and 1.6, with protanopia, deuteranopia and tritanopia (Machado, Oliveira and
 * Fernandes 2009); then ten more beside these. Smallest distance: 0.145 among the first ten, 0.085 among the twenty;
 * that of the palette of Okabe and Ito (seven colours without black) is 0.095. */
#include "io/colour.h"

#include <math.h>

static const colour PALETTE[] = {
    {0x00, 0x78, 0xB4}, {0xE1, 0x87, 0x0F}, {0x96, 0x00, 0x00}, {0x87, 0xD2, 0x96}, {0xF0, 0x96, 0xF0},
    {0x96, 0x69, 0x00}, {0x1E, 0x3C, 0xB4}, {0x2D, 0xA5, 0x96}, {0x69, 0x3C, 0x69}, {0xA5, 0x78, 0xFF},
    {0xC3, 0xC3, 0x00}, {0xB4, 0x3C, 0x87}, {0xB4, 0x78, 0x5A}, {0xD2, 0x78, 0xD2}, {0x78, 0xB4, 0x69},
    {0x3C, 0xC3, 0xB4}, {0x00, 0x69, 0x4B}, {0x5A, 0x4B, 0xD2}, {0xB4, 0x0F, 0x3C}, {0x78, 0x69, 0xE1},
};

enum {
    PALETTE_SIZE = sizeof PALETTE / sizeof *PALETTE
};

static const double PI = 3.14159265358979323846;

static double colour_gamma(double linear)
{
    return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

/* Linear sRGB; 1 when each part is within [0, 1], but for rounding. */
static int colour_linear(double lightness, double a, double b, double rgb[3])
{
    const double l = pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
    const double m = pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
    const double s = pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
    rgb[0]         = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
    rgb[1]         = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
    rgb[2]         = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
    int inside     = 1;
    for (int i = 0; i < 3; i++) inside &= rgb[i] > -1e-4 && rgb[i] < 1 + 1e-4;
    return inside;
}

colour colour_from_oklch(double lightness, double chroma, double hue)
{
    const double angle = hue * PI / 180;
    double       low = 0, high = chroma, rgb[3]; /* the grey of low = 0 is always inside */
    if (colour_linear(lightness, high * cos(angle), high * sin(angle), rgb)) low = high;
    for (int i = 0; i < 20 && low < high; i++) {
        const double middle = (low + high) / 2;
        if (colour_linear(lightness, middle * cos(angle), middle * sin(angle), rgb)) low = middle;
        else high = middle;
    }
    colour_linear(lightness, low * cos(angle), low * sin(angle), rgb);
    unsigned char out[3];
    for (int i = 0; i < 3; i++) out[i] = (unsigned char)lround(255 * colour_gamma(fmin(fmax(rgb[i], 0), 1)));
    return (colour){out[0], out[1], out[2]};
}

colour colour_of_class(size_t index, size_t classes)
{
    if (classes <= PALETTE_SIZE) return PALETTE[index % PALETTE_SIZE];
    /* Neighbors in order get far hues (the golden angle) and three lightnesses in turn. */
    static const double lightness[] = {0.62, 0.45, 0.76};
    return colour_from_oklch(lightness[index % 3], 0.15, fmod(250 + 137.50776405 * (double)index, 360));
}

colour colour_of_scale(double position)
{
    const double t = fmin(fmax(position, 0), 1);
    /* The chroma stays below what sRGB has along this path, least at t = 0.4: clipped, the scale would have kinks. */
    return colour_from_oklch(0.27 + 0.63 * t, 0.088 + 0.29 * (t - 0.42) * (t - 0.42), 290 - 185 * t);
}
