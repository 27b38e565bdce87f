/* io/plot_svg.c: a picture as SVG 1.1. Only presentation attributes, no style sheet: every reader knows those. */
#include "io/plot.h"

#include <string.h>

static void svg_colour(FILE *file, const char *attribute, colour with)
{
    fprintf(file, " %s=\"#%02x%02x%02x\"", attribute, with.r, with.g, with.b);
}

/* How many bytes one well-formed UTF-8 character takes that XML allows; 0: there is none. */
static size_t svg_character(const unsigned char *at)
{
    if (at[0] < 0x80) return at[0] >= ' ' && at[0] != 127;
    const size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    const int overlong     = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    const int surrogate    = at[0] == 0xED && at[1] > 0x9F;
    const int too_large    = at[0] == 0xF4 && at[1] > 0x8F;
    const int no_character = at[0] == 0xEF && at[1] == 0xBF && at[2] >= 0xBE; /* U+FFFE and U+FFFF */
    return overlong || surrogate || too_large || no_character ? 0 : length;
}

static void svg_text(FILE *file, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        const size_t length = svg_character(at);
        if (*at == '&') fputs("&amp;", file);
        else if (*at == '<') fputs("&lt;", file);
        else if (*at == '>') fputs("&gt;", file);
        else if (length == 0) fputc('?', file);
        else fwrite(at, 1, length, file);
        at += length ? length : 1;
    }
}

ne_status plot_svg(const plot *from, FILE *file)
{
    const double mm = 25.4 / PLOT_DPI;
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
            "width=\"%.2fmm\" height=\"%.2fmm\" viewBox=\"0 0 %.0f %.0f\">\n",
            from->width * mm, from->height * mm, from->width, from->height);
    fprintf(file, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", from->width, from->height);

    for (size_t i = 0; i < from->ring_count; i++) {
        const plot_ring *ring = &from->rings[i];
        fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"none\" stroke-width=\"%.1f\"", ring->x,
                ring->y, ring->radius, ring->width);
        svg_colour(file, "stroke", ring->with);
        fputs("/>\n", file);
    }
    fprintf(file, "<g fill-opacity=\"%.2f\"", from->opacity);
    if (from->rim > 0) fprintf(file, " stroke=\"#ffffff\" stroke-width=\"%.2f\"", from->rim);
    fputs(">\n", file);
    for (size_t i = 0; i < from->disc_count; i++) { /* the rim's middle is the circle */
        const plot_disc *disc = &from->discs[i];
        fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.2f\"", (double)disc->x, (double)disc->y,
                from->radius + from->rim / 2);
        svg_colour(file, "fill", disc->with);
        fputs("/>\n", file);
    }
    fputs("</g>\n", file);
    for (size_t i = 0; i < from->key_count; i++) {
        fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", (double)from->keys[i].x, (double)from->keys[i].y,
                from->key_radius);
        svg_colour(file, "fill", from->keys[i].with);
        fputs("/>\n", file);
    }
    for (size_t i = 0; i < from->box_count; i++) {
        const plot_box *box = &from->boxes[i];
        fprintf(file, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"", box->x, box->y, box->width,
                box->height);
        svg_colour(file, "fill", box->with);
        fputs("/>\n", file);
    }
    fputs("<g font-family=\"Helvetica, Arial, sans-serif\">\n", file);
    for (size_t i = 0; i < from->text_count; i++) {
        const plot_text *text = &from->texts[i];
        fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" text-anchor=\"%s\"", text->x, text->y, text->size,
                text->anchor <= 0   ? "start"
                : text->anchor >= 1 ? "end"
                                    : "middle");
        svg_colour(file, "fill", text->with);
        fputc('>', file);
        svg_text(file, text->text);
        fputs("</text>\n", file);
    }
    fputs("</g>\n</svg>\n", file);
    return NE_OK;
}
