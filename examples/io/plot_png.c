/* io/plot_png.c: a picture as PNG, by libpng. */
#include "io/canvas.h"
#include "io/plot.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

static void plot_draw(const plot *from, canvas *on)
{
    const colour white = {255, 255, 255};
    for (size_t i = 0; i < from->ring_count; i++) {
        const plot_ring *ring = &from->rings[i];
        canvas_ring(on, ring->x, ring->y, ring->radius, ring->width, ring->with);
    }
    for (size_t i = 0; i < from->disc_count; i++) {
        const plot_disc *disc = &from->discs[i];
        if (from->rim > 0)
            canvas_disc(on, (double)disc->x, (double)disc->y, from->radius + from->rim, white, from->opacity);
        canvas_disc(on, (double)disc->x, (double)disc->y, from->radius, disc->with, from->opacity);
    }
    for (size_t i = 0; i < from->key_count; i++)
        canvas_disc(on, (double)from->keys[i].x, (double)from->keys[i].y, from->key_radius, from->keys[i].with, 1);
    for (size_t i = 0; i < from->box_count; i++)
        canvas_box(on, from->boxes[i].x, from->boxes[i].y, from->boxes[i].width, from->boxes[i].height,
                   from->boxes[i].with);
    for (size_t i = 0; i < from->text_count; i++) {
        const plot_text *text = &from->texts[i];
        canvas_text(on, text->x, text->y, text->size, text->anchor, text->with, text->text);
    }
}

static void png_failed(png_structp png, png_const_charp text)
{
    ne_fail(NE_IO, "libpng: %s", text);
    longjmp(*png_set_longjmp_fn(png, longjmp, sizeof(jmp_buf)), 1);
}

static void png_warned(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* All that libpng's longjmp may skip is made by the caller. 1 on success. */
static int png_put(png_structp png, png_infop info, const canvas *from, png_bytep row, FILE *file)
{
    const double      inches_a_meter = 1 / 0.0254;
    const png_uint_32 density        = (png_uint_32)(PLOT_DPI * inches_a_meter + 0.5);
    if (setjmp(png_jmpbuf(png))) return 0;
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)from->width, (png_uint_32)from->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_pHYs(png, info, density, density, PNG_RESOLUTION_METER);
    png_write_info(png, info);
    for (size_t i = 0; i < from->height; i++) {
        const float *pixels = from->pixels + i * from->width * 3;
        for (size_t k = 0; k < from->width * 3; k++) row[k] = (png_byte)(pixels[k] + 0.5f);
        png_write_row(png, row);
    }
    png_write_end(png, info);
    return 1;
}

ne_status plot_png(const plot *from, FILE *file)
{
    canvas      on   = {0};
    png_structp png  = NULL;
    png_infop   info = NULL;
    png_bytep   row  = NULL;
    ne_status   st   = canvas_init(&on, (size_t)from->width, (size_t)from->height);
    if (st != NE_OK) goto done;
    plot_draw(from, &on);

    png  = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_failed, png_warned);
    info = png ? png_create_info_struct(png) : NULL;
    row  = malloc(on.width * 3);
    if (!info || !row) st = ne_fail(NE_OUT_OF_MEMORY, "no memory to write a PNG");
    else if (!png_put(png, info, &on, row, file)) st = NE_IO;
done:
    png_destroy_write_struct(&png, &info);
    free(row);
    canvas_clear(&on);
    return st;
}
