/* io/font.c: a stroke font for ASCII.
 *
 * A glyph is a list of strokes, parted by ';'. A stroke is a list of points x,y. The line goes straight to a plain point;
 * a point with a star is a corner that is rounded off: the line leaves its way there, and comes back on the way from it,
 * on a quarter of an ellipse. Where a rounded corner follows another, the curves meet halfway between the two. So the four
 * rounded corners of a box are an ellipse. A 'z' at the end closes the stroke. Baseline y = 0, capitals 20, small letters
 * 14, descenders -6. */
#include "io/font.h"

#include <math.h>
#include <stdlib.h>

typedef struct glyph {
    double      width; /* of the center lines; SPACING is added between letters */
    const char *strokes;
} glyph;

static const double SPACING  = 5;
static const double ROUNDING = 0.5522847498; /* a cubic with handles this long is a quarter of an ellipse */

enum {
    FIRST  = ' ',
    LAST   = '~',
    POINTS = 24,
    PIECES = 10
};

static const glyph BOX = {11, "0,0 11,0 11,20 0,20 0,0"};

#define BOWL_LEFT  "0,7 0,14* 5.5,14 11,14* 11,7 11,0* 5.5,0 0,0* 0,7"
#define BOWL_RIGHT "11,7 11,14* 5.5,14 0,14* 0,7 0,0* 5.5,0 11,0* 11,7"
#define ARCH       "0,0 0,14;0,8 0,14* 5.3,14 10,14* 10,9 10,0"

static const glyph GLYPHS[LAST - FIRST + 1] = {
    [' ' - FIRST]  = {2.5, ""},
    ['!' - FIRST]  = {0, "0,20 0,6;0,0.3 0,0.3"},
    ['"' - FIRST]  = {4, "0,20 0,14;4,20 4,14"},
    ['#' - FIRST]  = {13, "3,0 5.5,20;7.5,0 10,20;0.5,6.5 12,6.5;1,13.5 12.5,13.5"},
    ['$' - FIRST]  = {11, "10.3,15 9.5,18.5* 5.5,18.5 0.5,18.5* 0.5,14 0.5,10.8* 5.5,10 11,9.2* 11,5 11,1* 5.5,1 1,1* "
                           "0,5;5.5,22 5.5,-2.5"},
    ['%' - FIRST]  = {17, "0,12* 7,12* 7,20* 0,20* z;10,0* 17,0* 17,8* 10,8* z;14,20 3,0"},
    ['&' - FIRST]  = {14, "14,0 3.6,12.8 2,14.8* 2,16.3 2,20* 5.6,20 9.2,20* 9.2,16.4 9.2,13.6* 5,11.2 0,8.4* 0,5 0,0* "
                           "5.5,0 11.5,0* 13,8"},
    ['\'' - FIRST] = {0, "0,20 0,14"},
    ['(' - FIRST]  = {3.5, "3.5,23 0,17* 0,9 0,1* 3.5,-5"},
    [')' - FIRST]  = {3.5, "0,23 3.5,17* 3.5,9 3.5,1* 0,-5"},
    ['*' - FIRST]  = {7, "3.5,20 3.5,12;0,18 7,14;7,18 0,14"},
    ['+' - FIRST]  = {11, "5.5,13 5.5,2;0,7.5 11,7.5"},
    [',' - FIRST]  = {1, "1,0.8 0,-4"},
    ['-' - FIRST]  = {6, "0,7 6,7"},
    ['.' - FIRST]  = {0, "0,0.3 0,0.3"},
    ['/' - FIRST]  = {8, "0,-2.5 8,21"},
    ['0' - FIRST]  = {11, "0,0* 11,0* 11,20* 0,20* z"},
    ['1' - FIRST]  = {11, "1.5,16 6.5,20 6.5,0"},
    ['2' - FIRST]  = {11, "0.4,14.6 0.4,20* 5.5,20 10.6,20* 10.6,14.6 10.6,11.5* 8,8.4 0.3,0 11,0"},
    ['3' - FIRST]  = {11, "0.8,16 1.5,20* 5.4,20 10.3,20* 10.3,15.4 10.3,10.8* 5,10.8 4,10.8;5,10.8 11,10.8* 11,5.4 "
                           "11,0* 5.4,0 0.8,0* 0,4.6"},
    ['4' - FIRST]  = {11, "8,0 8,20 0,5.6 11.5,5.6"},
    ['5' - FIRST]  = {11, "10,20 1.6,20 0.7,10.3 2.5,12.8* 5.5,12.8 11,12.8* 11,6.4 11,0* 5.3,0 0.8,0* 0,4.2"},
    ['6' - FIRST]  = {11, "10,17 9,20* 6.2,20 0,20* 0,9 0,6.2;0,0* 11,0* 11,12.4* 0,12.4* z"},
    ['7' - FIRST]  = {11, "0,20 11,20 4,0"},
    ['8' - FIRST]  = {11, "0.7,10.8* 10.3,10.8* 10.3,20* 0.7,20* z;0,0* 11,0* 11,10.8* 0,10.8* z"},
    ['9' - FIRST]  = {11, "1,3 2,0* 4.8,0 11,0* 11,11 11,13.8;0,7.6* 11,7.6* 11,20* 0,20* z"},
    [':' - FIRST]  = {0, "0,0.3 0,0.3;0,12 0,12"},
    [';' - FIRST]  = {1, "1,0.8 0,-4;1,12 1,12"},
    ['<' - FIRST]  = {10, "10,13.5 0,7.5 10,1.5"},
    ['=' - FIRST]  = {11, "0,10.5 11,10.5;0,4.5 11,4.5"},
    ['>' - FIRST]  = {10, "0,13.5 10,7.5 0,1.5"},
    ['?' - FIRST]  = {10, "0,15.5 0.3,20* 5,20 10,20* 10,15.4 10,12.5* 7.4,10.6 5,8.8* 5,6;5,0.3 5,0.3"},
    ['@' - FIRST]  = {19, "5,3.5* 13.5,3.5* 13.5,13.5* 5,13.5* z;13.5,13.5 13.5,6 13.5,3.5* 16,3.5 19,3.5* 19,9 19,20* "
                           "9.5,20 0,20* 0,8.5 0,-3* 9.5,-3 13,-3* 16,-1.5"},
    ['A' - FIRST]  = {14, "0,0 7,20 14,0;2.45,7 11.55,7"},
    ['B' - FIRST]  = {12, "0,0 0,20 6,20 11,20* 11,15.2 11,10.5* 6,10.5 0,10.5;6,10.5 12,10.5* 12,5.2 12,0* 6,0 0,0"},
    ['C' - FIRST]  = {13, "13,15 12,20* 7.2,20 0,20* 0,10 0,0* 7.2,0 12,0* 13,5"},
    ['D' - FIRST]  = {13, "0,0 0,20 5,20 13,20* 13,10 13,0* 5,0 0,0"},
    ['E' - FIRST]  = {11, "11,20 0,20 0,0 11,0;0,10.5 9.5,10.5"},
    ['F' - FIRST]  = {10.5, "10.5,20 0,20 0,0;0,10 9,10"},
    ['G' - FIRST]  = {14, "13.5,15 12.5,20* 7.2,20 0,20* 0,10 0,0* 7.2,0 14,0* 14,7.5 14,9 8,9"},
    ['H' - FIRST]  = {13, "0,0 0,20;13,0 13,20;0,10.5 13,10.5"},
    ['I' - FIRST]  = {0, "0,0 0,20"},
    ['J' - FIRST]  = {8.5, "8.5,20 8.5,6 8.5,0* 4.2,0 0,0* 0,5.5"},
    ['K' - FIRST]  = {12, "0,0 0,20;11.5,20 0,7.5;4.3,12.2 12,0"},
    ['L' - FIRST]  = {10, "0,20 0,0 10,0"},
    ['M' - FIRST]  = {15, "0,0 0,20 7.5,3 15,20 15,0"},
    ['N' - FIRST]  = {13, "0,0 0,20 13,0 13,20"},
    ['O' - FIRST]  = {15, "0,0* 15,0* 15,20* 0,20* z"},
    ['P' - FIRST]  = {11.5, "0,0 0,20 6,20 11.5,20* 11.5,14.7 11.5,9.5* 6,9.5 0,9.5"},
    ['Q' - FIRST]  = {15, "0,0* 15,0* 15,20* 0,20* z;9,5 15,-1.5"},
    ['R' - FIRST]  = {12, "0,0 0,20 6,20 11.5,20* 11.5,15 11.5,10* 6,10 0,10;6.5,10 12,0"},
    ['S' - FIRST]  = {12, "11,15.5 10.5,20* 6,20 0.5,20* 0.5,15 0.5,11.2* 6,10.3 12,9.3* 12,5.2 12,0* 6,0 0.5,0* 0,5"},
    ['T' - FIRST]  = {13, "0,20 13,20;6.5,20 6.5,0"},
    ['U' - FIRST]  = {13, "0,20 0,7 0,0* 6.5,0 13,0* 13,7 13,20"},
    ['V' - FIRST]  = {14, "0,20 7,0 14,20"},
    ['W' - FIRST]  = {19, "0,20 4.75,0 9.5,18 14.25,0 19,20"},
    ['X' - FIRST]  = {13, "0,20 13,0;0,0 13,20"},
    ['Y' - FIRST]  = {13, "0,20 6.5,9.5 13,20;6.5,9.5 6.5,0"},
    ['Z' - FIRST]  = {12, "0,20 12,20 0,0 12,0"},
    ['[' - FIRST]  = {4, "4,23 0,23 0,-5 4,-5"},
    ['\\' - FIRST] = {8, "0,21 8,-2.5"},
    [']' - FIRST]  = {4, "0,23 4,23 4,-5 0,-5"},
    ['^' - FIRST]  = {9, "0,12 4.5,20 9,12"},
    ['_' - FIRST]  = {11, "0,-4 11,-4"},
    ['`' - FIRST]  = {3, "0,21 3,17.5"},
    ['a' - FIRST]  = {10, "10,0 10,9 10,14* 5.4,14 1.4,14* 0.9,10.6;10,8.4 5,8.2 0,8* 0,4 0,0* 4.3,0 9.4,0* 10,5.4"},
    ['b' - FIRST]  = {11, "0,20 0,0;" BOWL_LEFT},
    ['c' - FIRST]  = {10, "10,10.4 9.3,14* 5.5,14 0,14* 0,7 0,0* 5.5,0 9.3,0* 10,3.6"},
    ['d' - FIRST]  = {11, "11,20 11,0;" BOWL_RIGHT},
    ['e' - FIRST]  = {11, "0,7.5 11,7.5 11,14* 5.6,14 0,14* 0,7 0,0* 5.7,0 9.6,0* 10.6,3.4"},
    ['f' - FIRST]  = {6.5, "6.5,19.9 5.9,20 2.5,20* 2.5,16 2.5,0;0,14 6,14"},
    ['g' - FIRST]  = {11, "11,14 11,-1 11,-6* 5.5,-6 1.2,-6* 0.5,-2.8;" BOWL_RIGHT},
    ['h' - FIRST]  = {10, "0,14 0,20;" ARCH},
    ['i' - FIRST]  = {0, "0,0 0,14;0,19.3 0,19.3"},
    ['j' - FIRST]  = {2, "2,14 2,-2.5 2,-6* -1.2,-6;2,19.3 2,19.3"},
    ['k' - FIRST]  = {9.5, "0,0 0,20;9,14 0,5.2;3.4,8.5 9.5,0"},
    ['l' - FIRST]  = {0, "0,0 0,20"},
    ['m' - FIRST]  = {17, "0,0 0,14;0,8.5 0,14* 4.7,14 8.5,14* 8.5,9 8.5,0;8.5,8.5 8.5,14* 13.2,14 17,14* 17,9 17,0"},
    ['n' - FIRST]  = {10, ARCH},
    ['o' - FIRST]  = {11.5, "0,0* 11.5,0* 11.5,14* 0,14* z"},
    ['p' - FIRST]  = {11, "0,14 0,-6;" BOWL_LEFT},
    ['q' - FIRST]  = {11, "11,14 11,-6;" BOWL_RIGHT},
    ['r' - FIRST]  = {5.5, "0,0 0,14;0,8 0,14* 5,14 5.5,13.9"},
    ['s' - FIRST]  = {9.5, "9,10.8 8.6,14* 4.8,14 0.5,14* 0.5,10.5 0.5,7.8* 4.8,7.1 9.5,6.4* 9.5,3.5 9.5,0* 4.8,0 "
                            "0.3,0* 0,3.4"},
    ['t' - FIRST]  = {6.5, "2.5,18.5 2.5,4 2.5,0* 5.6,0 6.5,0.1;0,14 6.3,14"},
    ['u' - FIRST]  = {10, "0,14 0,5 0,0* 4.7,0 10,0* 10,6;10,14 10,0"},
    ['v' - FIRST]  = {10, "0,14 5,0 10,14"},
    ['w' - FIRST]  = {15, "0,14 3.8,0 7.5,13 11.2,0 15,14"},
    ['x' - FIRST]  = {9.5, "0,14 9.5,0;0,0 9.5,14"},
    ['y' - FIRST]  = {10, "0,14 5.1,0;10,14 4.3,-2.2 3,-6* 0,-6"},
    ['z' - FIRST]  = {9, "0,14 9,14 0,0 9,0"},
    ['{' - FIRST]  = {5, "5,23 2.2,23* 2.2,19 2.2,12.5 2.2,9* 0,9 2.2,9* 2.2,5.5 2.2,-1 2.2,-5* 5,-5"},
    ['|' - FIRST]  = {0, "0,23 0,-5"},
    ['}' - FIRST]  = {5, "0,23 2.8,23* 2.8,19 2.8,12.5 2.8,9* 5,9 2.8,9* 2.8,5.5 2.8,-1 2.8,-5* 0,-5"},
    ['~' - FIRST]  = {12, "0,6 0.4,9.5* 3.2,9.5 4.8,9.5* 6,7.8 7.2,6* 8.8,6 11.6,6* 12,9.5"},
};

typedef struct point {
    double x, y;
    int    round;
} point;

typedef struct pen {
    font_piece_fn piece;
    void         *user;
    size_t        letter;
    double        left, scale;
} pen;

/* The next character of UTF-8 text: its glyph; text is moved on by its bytes. */
static const glyph *font_next(const char **text)
{
    const unsigned char c = (unsigned char)*(*text)++;
    if (c >= FIRST && c <= LAST) return &GLYPHS[c - FIRST];
    while (((unsigned char)**text & 0xC0) == 0x80) (*text)++;
    return &BOX;
}

double font_width(const char *text, double size)
{
    double width = 0;
    while (*text) width += font_next(&text)->width + SPACING;
    return width * size / FONT_SIZE;
}

static void pen_line(const pen *with, point from, point to)
{
    with->piece(with->user, with->letter, with->left + with->scale * from.x, with->scale * from.y,
                with->left + with->scale * to.x, with->scale * to.y);
}

static point point_between(point a, point b, double t)
{
    return (point){a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t, 0};
}

/* A quarter of an ellipse from `from` to `to`, rounding the corner off. */
static void pen_round(const pen *with, point from, point corner, point to)
{
    const point a = point_between(from, corner, ROUNDING), b = point_between(to, corner, ROUNDING);
    point       last = from;
    for (int i = 1; i <= PIECES; i++) {
        const double t = (double)i / PIECES, s = 1 - t;
        const double w[4] = {s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t};
        const point  next = {w[0] * from.x + w[1] * a.x + w[2] * b.x + w[3] * to.x,
                             w[0] * from.y + w[1] * a.y + w[2] * b.y + w[3] * to.y, 0};
        pen_line(with, last, next);
        last = next;
    }
}

static void pen_stroke(const pen *with, const point *points, size_t count, int closed)
{
    point        at    = closed && points[0].round ? point_between(points[count - 1], points[0], 0.5) : points[0];
    const size_t steps = closed ? count : count - 1;
    for (size_t i = closed ? 0 : 1; i < steps + !closed; i++) {
        const point here = points[i], next = points[(i + 1) % count];
        if (!here.round) {
            pen_line(with, at, here);
            at = here;
            continue;
        }
        const point end = next.round ? point_between(here, next, 0.5) : next;
        pen_round(with, at, here, end);
        at = end;
    }
}

static void pen_glyph(const pen *with, const char *strokes)
{
    while (*strokes) {
        point  points[POINTS];
        size_t count  = 0;
        int    closed = 0;
        while (*strokes && *strokes != ';') {
            char *end = NULL;
            if (*strokes == ' ') strokes++;
            if (*strokes == 'z') {
                closed = 1;
                strokes++;
                continue;
            }
            point next = {strtod(strokes, &end), 0, 0};
            next.y     = strtod(end + 1, &end);
            next.round = *end == '*';
            strokes    = end + next.round;
            if (count < POINTS) points[count++] = next;
        }
        if (*strokes == ';') strokes++;
        pen_stroke(with, points, count, closed);
    }
}

void font_trace(const char *text, double size, font_piece_fn piece, void *user)
{
    pen with = {.piece = piece, .user = user, .scale = size / FONT_SIZE, .left = SPACING / 2 * size / FONT_SIZE};
    for (; *text; with.letter++) {
        const glyph *next = font_next(&text);
        pen_glyph(&with, next->strokes);
        with.left += (next->width + SPACING) * with.scale;
    }
}
