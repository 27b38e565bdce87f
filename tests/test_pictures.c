/* test_pictures.c: what ne_embed writes and draws. */
#include "folder.h"
#include "io/bytes.h"
#include "io/canvas.h"
#include "io/font.h"
#include "io/outfile.h"
#include "io/plot.h"
#include "io/table.h"
#include "io/write.h"

#include <math.h>
#include <png.h>
#include <sys/stat.h>

static void open_all(void)
{
    folder_open();
}

static void close_all(void)
{
    folder_close();
}

/* --- Writing */

static void check_content(const char *path, const char *want)
{
    bytes file = {0};
    ck_assert_int_eq(bytes_read(path, &file), NE_OK);
    ck_assert_str_eq((char *)file.data, want);
    bytes_clear(&file);
}

START_TEST(an_outfile_is_there_whole_or_not_at_all)
{
    outfile out = {0};
    put_text("y.csv", "old\n");
    ck_assert_int_eq(outfile_open(at("y.csv"), &out), NE_OK);
    fputs("new\n", out.file);
    ck_assert_int_eq(outfile_close(&out), NE_OK);
    check_content(at("y.csv"), "old\n");
    outfile_drop(&out);
    check_content(at("y.csv"), "old\n");
    ck_assert_uint_eq(folder_count(0), 1);

    ck_assert_int_eq(chmod(at("y.csv"), 0640), 0);
    ck_assert_int_eq(symlink("y.csv", at("link.csv")), 0);
    ck_assert_int_eq(outfile_open(at("link.csv"), &out), NE_OK);
    fputs("new\n", out.file);
    ck_assert_int_eq(outfile_commit(&out), NE_OK);
    outfile_drop(&out);
    check_content(at("y.csv"), "new\n");
    struct stat about;
    ck_assert_int_eq(lstat(at("link.csv"), &about), 0);
    ck_assert(S_ISLNK(about.st_mode));
    ck_assert_int_eq(stat(at("y.csv"), &about), 0);
    ck_assert_uint_eq(about.st_mode & 0777, 0640);
    ck_assert_int_eq(outfile_probe(at("other.csv")), NE_OK);
    ck_assert_uint_eq(folder_count(0), 2);
}
END_TEST

START_TEST(an_outfile_that_can_not_be_is_refused)
{
    check_error(outfile_probe(at("none/y.csv")), NE_IO, "%/none/y.csv: No such file or directory");
    check_error(outfile_probe(folder), NE_IO, "%: is a directory");
    check_error(outfile_probe("/dev/null"), NE_IO, "/dev/null: is not a regular file");
    outfile full = {.file = fopen("/dev/full", "wb"), .path = strdup("y.csv")};
    fputs("x", full.file);
    check_error(outfile_close(&full), NE_IO, "y.csv: No space left on device");
    outfile_drop(&full);
}
END_TEST

START_TEST(what_is_written_reads_back)
{
    const float       y[]    = {0.1f, -1e-30f, 3e38f, 1000.00037f, 1.0f / 3, -0.0f};
    const coordinates what   = {y, 3, 2, NULL, NULL};
    const char *const path[] = {at("y.npy"), at("y.csv")};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(path[i], "wb");
        if (i == 0) write_npy(file, &what);
        else write_csv(file, &what);
        fclose(file);
        table got = {0};
        ck_assert_int_eq(table_read(path[i], &(table_request){0}, &got), NE_OK);
        ck_assert_uint_eq(got.rows, 3);
        ck_assert_uint_eq(got.cols, 2);
        for (size_t k = 0; k < 6; k++) {
            const int wide = got.dtype == NE_F64;
            ck_assert_float_eq(wide ? (float)((double *)got.values)[k] : ((float *)got.values)[k], y[k]);
        }
        table_clear(&got);
    }
    bytes npy = {0};
    ck_assert_int_eq(bytes_read(path[0], &npy), NE_OK);
    ck_assert_uint_eq((npy.size - 24) % 64, 0);
    bytes_clear(&npy);
}
END_TEST

static void check_csv(const coordinates *what, const char *want)
{
    FILE *file = fopen(at("y.csv"), "wb");
    write_csv(file, what);
    fclose(file);
    check_content(at("y.csv"), want);
}

START_TEST(csv_has_a_header_and_quotes_what_needs_it)
{
    const float y[]   = {1, 2, 3, 4, 5, 6, 7, 8};
    char       *ids[] = {"a,b", "say \"x\""}, *words[] = {"dog", "cat\n"};
    labels      of = {0};
    ck_assert_int_eq(labels_from_words(words, 2, NULL, &of), NE_OK);
    check_csv(&(coordinates){y, 2, 1, NULL, NULL}, "x\n1\n2\n");
    check_csv(&(coordinates){y, 2, 2, ids, &of}, "id,label,x,y\n\"a,b\",dog,1,2\n\"say \"\"x\"\"\",\"cat\n\",3,4\n");
    check_csv(&(coordinates){y, 2, 3, NULL, &of}, "label,x,y,z\ndog,1,2,3\n\"cat\n\",4,5,6\n");
    check_csv(&(coordinates){y, 2, 4, NULL, NULL}, "x1,x2,x3,x4\n1,2,3,4\n5,6,7,8\n");
    labels_clear(&of);
}
END_TEST

/* --- Pictures */

/* sRGB parts as light. */
static void colour_light(colour of, double light[3])
{
    const unsigned char parts[3] = {of.r, of.g, of.b};
    for (int k = 0; k < 3; k++) {
        const double v = parts[k] / 255.0;
        light[k]       = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
}

/* The matrices are those of Ottosson's page. */
static void colour_oklab(const double c[3], double lab[3])
{
    const double l = cbrt(0.4122214708 * c[0] + 0.5363325363 * c[1] + 0.0514459929 * c[2]);
    const double m = cbrt(0.2119034982 * c[0] + 0.6806995451 * c[1] + 0.1073969566 * c[2]);
    const double s = cbrt(0.0883024619 * c[0] + 0.2817188376 * c[1] + 0.6299787005 * c[2]);
    lab[0]         = 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s;
    lab[1]         = 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s;
    lab[2]         = 0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s;
}

/* Protanopia, deuteranopia and tritanopia of light: Machado, Oliveira and Fernandes 2009, severity 1. */
static const double SIGHT[4][3][3] = {
    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
};

/* Distance in OKLab, as seen with one of the sights. */
static double colour_distance_seen(colour a, colour b, int sight)
{
    double lab[2][3], square = 0;
    for (int i = 0; i < 2; i++) {
        double light[3], seen[3];
        colour_light(i ? b : a, light);
        for (int k = 0; k < 3; k++) {
            const double *row = SIGHT[sight][k];
            seen[k]           = fmin(fmax(row[0] * light[0] + row[1] * light[1] + row[2] * light[2], 0), 1);
        }
        colour_oklab(seen, lab[i]);
    }
    for (int k = 0; k < 3; k++) square += (lab[0][k] - lab[1][k]) * (lab[0][k] - lab[1][k]);
    return sqrt(square);
}

static double colour_distance(colour a, colour b)
{
    return colour_distance_seen(a, b, 0);
}

START_TEST(colours_of_classes_differ_for_every_sight)
{
    static const double weight[4] = {1, 1.25, 1.25, 1.6};
    for (size_t count = 10; count <= 20; count += 10)
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                for (int sight = 0; sight < 4; sight++)
                    ck_assert_double_ge(weight[sight] *
                                            colour_distance_seen(colour_of_class(i, 20), colour_of_class(j, 20), sight),
                                        count == 10 ? 0.145 : 0.084); /* what colour.c says of its palette */
}
END_TEST

START_TEST(the_scale_runs_evenly_from_blue_by_green_to_yellow)
{
    double least = 1, most = 0;
    for (int i = 0; i < 32; i++) {
        const double step = colour_distance(colour_of_scale(i / 32.0), colour_of_scale((i + 1) / 32.0));
        least             = fmin(least, step);
        most              = fmax(most, step);
    }
    ck_assert_double_lt(most, 1.6 * least);
    const colour low = colour_of_scale(0), middle = colour_of_scale(0.6), high = colour_of_scale(1);
    ck_assert(low.b > low.r && low.r > low.g && low.b < 128);
    ck_assert(middle.g > middle.b && middle.b > middle.r);
    ck_assert(high.r > 200 && high.g > 200 && high.b < 100);
}
END_TEST

START_TEST(a_disc_covers_its_area)
{
    for (int step = 0; step < 12; step++) {
        const double radius = 1 + 0.7 * step;
        canvas       on;
        double       ink = 0;
        ck_assert_int_eq(canvas_init(&on, 24, 24), NE_OK);
        canvas_disc(&on, 11.3, 12.8, radius, (colour){0, 0, 0}, 1);
        for (size_t i = 0; i < 24 * 24 * 3; i++) ink += (255 - (double)on.pixels[i]) / 765;
        /* pi (r^2 + 1/12), and what the middles of pixels miss of the integral: seen below 0.02 r */
        ck_assert_double_eq_tol(ink, 3.14159265 * (radius * radius + 1.0 / 12), 0.05 * radius + 0.05);
        canvas_clear(&on);
    }
}
END_TEST

START_TEST(shapes_that_reach_over_the_edge_are_cut)
{
    canvas       on;
    const colour black = {0, 0, 0};
    ck_assert_int_eq(canvas_init(&on, 10, 10), NE_OK);
    canvas_disc(&on, -3, -3, 2, black, 1);
    canvas_disc(&on, 0, 10, 4, black, 1);
    canvas_disc(&on, -1e6, 1e6, 4, black, 1);
    canvas_box(&on, -5, 8.5, 30, 30, black);
    canvas_text(&on, -4, 3, 12, 0, black, "Wide text, cut");
    ck_assert_float_eq(on.pixels[3 * 99], 0);
    ck_assert_float_eq_tol(on.pixels[3 * 89], 127.5f, 0.01f);
    canvas_clear(&on);
}
END_TEST

typedef struct extent {
    double left, right, low, high;
    size_t pieces;
} extent;

static void extent_add(void *user, size_t letter, double x0, double y0, double x1, double y1)
{
    extent *of = user;
    (void)letter;
    of->left  = fmin(of->left, fmin(x0, x1));
    of->right = fmax(of->right, fmax(x0, x1));
    of->low   = fmin(of->low, fmin(y0, y1));
    of->high  = fmax(of->high, fmax(y0, y1));
    of->pieces++;
}

START_TEST(every_letter_has_strokes_within_its_width)
{
    for (int c = '!'; c <= '~'; c++) {
        const char text[2] = {(char)c, 0};
        extent     of      = {100, -100, 100, -100, 0};
        font_trace(text, FONT_SIZE, extent_add, &of);
        ck_assert_msg(of.pieces > 0 && of.pieces < 512, "'%c' has %zu pieces", c, of.pieces);
        ck_assert_msg(of.left >= 0 && of.right <= font_width(text, FONT_SIZE), "'%c' leaves its width", c);
        ck_assert_msg(of.low >= -7 && of.high <= 24, "'%c' leaves its line", c);
    }
    ck_assert_double_eq(font_width("\xC3\xA9\xE2\x82\xAC", 28), 2 * font_width("\x80", 28));
}
END_TEST

/* Rows in two classes: the corners of a square, then a point in its middle. */
static const float SQUARE[] = {0, 0, 1, 0, 0, 1, 1, 1, 0.5f, 0.5f};

static void square_labels(labels *of)
{
    char *words[] = {"a", "a", "a", "a", "b <&>"};
    ck_assert_int_eq(labels_from_words(words, 5, "kind", of), NE_OK);
}

START_TEST(a_plot_has_one_scale_for_both_axes_and_y_upwards)
{
    plot   of;
    labels kinds = {0};
    square_labels(&kinds);
    ck_assert_int_eq(plot_init(&of, &(plot_request){SQUARE, 5, 2, &kinds, "tsne, n = 5", 0}), NE_OK);
    ck_assert_uint_eq(of.disc_count, 5);
    ck_assert_uint_eq(of.key_count, 2);
    ck_assert_uint_eq(of.text_count, 4); /* title, "kind", two names */
    float low_x = 1e9f, high_x = 0, low_y = 1e9f, high_y = 0, middle = 0;
    for (size_t i = 0; i < 5; i++) {
        low_x  = fminf(low_x, of.discs[i].x);
        high_x = fmaxf(high_x, of.discs[i].x);
        low_y  = fminf(low_y, of.discs[i].y);
        high_y = fmaxf(high_y, of.discs[i].y);
        if (colour_distance(of.discs[i].with, colour_of_class(1, 2)) == 0) middle = of.discs[i].y;
    }
    ck_assert_float_eq_tol(high_x - low_x, high_y - low_y, 0.01f);
    ck_assert_float_eq_tol(middle, (low_y + high_y) / 2, 0.01f);
    ck_assert(low_x > of.radius && low_y > of.radius && high_y < of.height - of.radius);
    plot_clear(&of);

    const float slope[] = {0, 0, 1, 2, 4, 5}; /* the last row is highest and rightmost; 4 across, 5 up */
    ck_assert_int_eq(plot_init(&of, &(plot_request){slope, 3, 2, NULL, NULL, 0}), NE_OK);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            if (of.discs[i].x < of.discs[j].x) ck_assert_float_gt(of.discs[i].y, of.discs[j].y);
    plot_clear(&of);
    labels_clear(&kinds);
}
END_TEST

/* The ring is the unit circle, whatever part of the disk the points take. */
START_TEST(a_disk_keeps_its_scale_and_its_circle)
{
    static const float inside[] = {0, 0, 0.5f, 0, 0, -0.999f};
    plot               of;
    ck_assert_int_eq(plot_init(&of, &(plot_request){inside, 3, 2, NULL, NULL, 1}), NE_OK);
    ck_assert_uint_eq(of.ring_count, 1);
    const plot_ring ring  = of.rings[0];
    size_t          found = 0;
    for (size_t i = 0; i < 3; i++) {
        const double x = (double)of.discs[i].x - ring.x, y = (double)of.discs[i].y - ring.y;
        const double scale = ring.radius - of.radius; /* of the unit; the circle leaves room for a disc */
        for (size_t k = 0; k < 3; k++)
            found += hypot(x - scale * (double)inside[2 * k], y + scale * (double)inside[2 * k + 1]) < 0.01;
    }
    ck_assert_uint_eq(found, 3);
    ck_assert(ring.x > ring.radius && ring.y > ring.radius && ring.x + ring.radius < of.width);
    plot_clear(&of);
}
END_TEST

START_TEST(a_grid_gives_each_picture_a_panel_and_all_one_legend)
{
    labels       kinds = {0};
    plot         of;
    plot_request panels[7];
    char         titles[7][8];
    square_labels(&kinds);
    for (size_t p = 0; p < 7; p++) {
        snprintf(titles[p], sizeof titles[p], "m%zu", p);
        panels[p] = (plot_request){SQUARE, 5, 2, p == 0 ? &kinds : NULL, titles[p], p == 4};
    }
    ck_assert_int_eq(plot_grid(&of, panels, 7), NE_OK);
    ck_assert_uint_eq(of.disc_count, 35);
    ck_assert_uint_eq(of.key_count, 2);
    ck_assert_uint_eq(of.ring_count, 1);
    ck_assert_uint_eq(of.text_count, 10); /* seven titles, the labels' name, two classes */
    for (size_t p = 0; p < 7; p++) {
        const plot_text *title = &of.texts[p];
        double           low_x = 1e9, high_x = 0, low_y = 1e9, high_y = 0;
        ck_assert_str_eq(title->text, titles[p]);
        for (size_t i = 5 * p; i < 5 * p + 5; i++) {
            low_x  = fmin(low_x, (double)of.discs[i].x);
            high_x = fmax(high_x, (double)of.discs[i].x);
            low_y  = fmin(low_y, (double)of.discs[i].y);
            high_y = fmax(high_y, (double)of.discs[i].y);
        }
        ck_assert(low_x >= title->x && low_y > title->y); /* below its title, and before the next one */
        for (size_t q = 0; q < 7; q++) {
            const plot_text *other = &of.texts[q];
            if (other->x > title->x) ck_assert_double_lt(high_x, other->x);
            if (other->y > title->y) ck_assert_double_lt(high_y, other->y - other->size);
        }
        ck_assert(high_x < of.width && high_y < of.height);
        ck_assert(of.keys[0].x > (float)high_x && of.keys[1].x < (float)of.width);
    }
    plot_clear(&of);
    for (size_t count = 2; count <= 12; count++) {
        plot_request some[12];
        for (size_t p = 0; p < count; p++) some[p] = panels[p % 7];
        ck_assert_int_eq(plot_grid(&of, some, count), NE_OK);
        ck_assert_double_le(of.height, 1.4 * of.width);
        plot_clear(&of);
    }
    check_error(plot_grid(&of, panels, PLOT_PANELS + 1), NE_UNSUPPORTED, "a picture of 65 panels; 64 are the most");
    labels_clear(&kinds);
}
END_TEST

START_TEST(a_ring_covers_its_area)
{
    for (int step = 0; step < 8; step++) {
        const double radius = 4 + 0.7 * step, width = 1.5 + 0.3 * step;
        canvas       on;
        double       ink = 0;
        ck_assert_int_eq(canvas_init(&on, 32, 32), NE_OK);
        canvas_ring(&on, 16.3, 15.8, radius, width, (colour){0, 0, 0});
        for (size_t i = 0; i < 32 * 32 * 3; i++) ink += (255 - (double)on.pixels[i]) / 765;
        ck_assert_double_eq_tol(ink, 2 * 3.14159265 * radius * width, 0.1 * radius + 0.1); /* two edges, as of discs */
        canvas_clear(&on);
    }
}
END_TEST

START_TEST(a_plot_of_points_in_one_place_or_not_finite_is_a_plot)
{
    static const float cases[][4] = {
        {1, 1, 1, 1}, {0, 5, 1, 5}, {NAN, 0, 1, 2}, {NAN, NAN, INFINITY, 1}, {-3e38f, 0, 3e38f, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t cols = 1; cols <= 2; cols++) {
            plot of;
            ck_assert_int_eq(plot_init(&of, &(plot_request){cases[c], 4 / cols, cols, NULL, NULL, 0}), NE_OK);
            ck_assert(of.width > 100 && of.width < 4000 && of.height > 100 && of.height < 4000);
            for (size_t i = 0; i < of.disc_count; i++) ck_assert(isfinite(of.discs[i].x) && isfinite(of.discs[i].y));
            plot_clear(&of);
        }
}
END_TEST

START_TEST(the_drawing_order_is_mixed_and_the_same_every_time)
{
    enum {
        ROWS = 2000
    };
    static float  y[2 * ROWS];
    static double kind[ROWS];
    labels        of = {0};
    plot          a, b;
    for (size_t i = 0; i < ROWS; i++) {
        y[2 * i]     = (float)(i * 7919 % 1009);
        y[2 * i + 1] = (float)(i * 104729 % 997);
        kind[i]      = i < ROWS / 2 ? 0 : 1;
    }
    ck_assert_int_eq(labels_from_numbers(kind, ROWS, &of), NE_OK);
    ck_assert_int_eq(plot_init(&a, &(plot_request){y, ROWS, 2, &of, NULL, 0}), NE_OK);
    ck_assert_int_eq(plot_init(&b, &(plot_request){y, ROWS, 2, &of, NULL, 0}), NE_OK);
    for (size_t i = 0; i < ROWS; i++) {
        ck_assert_float_eq(a.discs[i].x, b.discs[i].x);
        ck_assert_float_eq(a.discs[i].y, b.discs[i].y);
        ck_assert_double_eq(colour_distance(a.discs[i].with, b.discs[i].with), 0);
    }
    size_t late = 0;
    for (size_t i = ROWS / 2; i < ROWS; i++) late += colour_distance(a.discs[i].with, colour_of_class(1, 2)) == 0;
    ck_assert_uint_gt(late, 450); /* 500 +- 16 are expected of the second half: three deviations */
    ck_assert_uint_lt(late, 550);
    plot_clear(&a);
    plot_clear(&b);
    labels_clear(&of);
}
END_TEST

START_TEST(many_numbers_get_a_scale_and_many_words_a_legend)
{
    enum {
        ROWS = 100
    };
    static float y[ROWS];
    double       number[ROWS];
    char         text[ROWS][8], *words[ROWS];
    labels       of = {0};
    plot         made;
    for (size_t i = 0; i < ROWS; i++) {
        y[i]      = (float)i;
        number[i] = (double)i / 10;
        snprintf(text[i], sizeof text[i], "w%zu", i);
        words[i] = text[i];
    }
    ck_assert_int_eq(labels_from_numbers(number, ROWS, &of), NE_OK);
    ck_assert_int_eq(plot_init(&made, &(plot_request){y, ROWS, 1, &of, NULL, 0}), NE_OK);
    ck_assert_uint_eq(made.key_count, 0);
    ck_assert_uint_gt(made.box_count, 100);
    ck_assert_uint_ge(made.text_count, 4); /* 0, 2, 4, 6, 8 */
    ck_assert_str_eq(made.texts[0].text, "0");
    ck_assert_str_eq(made.texts[1].text, "2");
    plot_clear(&made);
    labels_clear(&of);

    ck_assert_int_eq(labels_from_words(words, ROWS, NULL, &of), NE_OK);
    ck_assert_int_eq(plot_init(&made, &(plot_request){y, ROWS, 1, &of, NULL, 0}), NE_OK);
    ck_assert_uint_eq(made.key_count, PLOT_KEYS - 1);
    ck_assert_str_eq(made.texts[PLOT_KEYS - 1].text, "and 41 more");
    for (size_t i = 0; i < made.key_count; i++) ck_assert(made.keys[i].x < made.width && made.keys[i].y < made.height);
    plot_clear(&made);
    labels_clear(&of);
}
END_TEST

START_TEST(titles_say_how_other_dimensions_were_drawn)
{
    char text[PLOT_LETTERS];
    plot_title("tsne", 1234567, 2, text);
    ck_assert_str_eq(text, "tsne, n = 1,234,567");
    plot_title("tsne", 100, 3, text);
    ck_assert_str_eq(text, "tsne, n = 100, first 2 principal axes of 3");
    plot_title("tsne", 0, 2, text);
    ck_assert_str_eq(text, "tsne");
    plot_title("pca", 1000, 1, text);
    ck_assert_str_eq(text, "pca, n = 1,000, in 1 dimension; heights are random");
}
END_TEST

START_TEST(a_png_shows_the_discs_in_their_colours)
{
    plot   of;
    labels kinds = {0};
    square_labels(&kinds);
    ck_assert_int_eq(plot_init(&of, &(plot_request){SQUARE, 5, 2, &kinds, "title", 0}), NE_OK);
    FILE *file = fopen(at("p.png"), "wb");
    ck_assert_int_eq(plot_png(&of, file), NE_OK);
    fclose(file);

    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert_int_ne(png_image_begin_read_from_file(&image, at("p.png")), 0);
    image.format = PNG_FORMAT_RGB;
    ck_assert_uint_eq(image.width, (unsigned)of.width);
    ck_assert_uint_eq(image.height, (unsigned)of.height);
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image));
    ck_assert_int_ne(png_image_finish_read(&image, NULL, pixels, 0, NULL), 0);
    for (size_t i = 0; i < of.key_count; i++) {
        const unsigned char *pixel = pixels + 3 * ((size_t)of.keys[i].y * image.width + (size_t)of.keys[i].x);
        ck_assert_double_eq(colour_distance((colour){pixel[0], pixel[1], pixel[2]}, colour_of_class(i, 2)), 0);
    }
    for (size_t i = 0; i < of.disc_count; i++) {
        const unsigned char *pixel = pixels + 3 * ((size_t)of.discs[i].y * image.width + (size_t)of.discs[i].x);
        const colour         seen  = {pixel[0], pixel[1], pixel[2]}; /* 0.9 of the colour over white */
        ck_assert_double_lt(colour_distance(seen, of.discs[i].with), 0.08);
    }
    ck_assert_uint_eq(pixels[0], 255);
    size_t ink = 0; /* of the title */
    for (size_t i = 0; i < 80; i++)
        for (size_t j = 0; j < 300; j++) ink += pixels[3 * (i * image.width + j)] < 128;
    ck_assert_uint_gt(ink, 100);
    free(pixels);
    plot_clear(&of);
    labels_clear(&kinds);
}
END_TEST

START_TEST(an_svg_has_every_disc_and_escapes_its_text)
{
    plot   of;
    labels kinds = {0};
    bytes  svg   = {0};
    square_labels(&kinds);
    ck_assert_int_eq(plot_init(&of, &(plot_request){SQUARE, 5, 2, &kinds, "caf\xC3\xA9 \xFF\x01 \xED\xA0\x80", 0}),
                     NE_OK);
    FILE *file = fopen(at("p.svg"), "wb");
    ck_assert_int_eq(plot_svg(&of, file), NE_OK);
    fclose(file);
    ck_assert_int_eq(bytes_read(at("p.svg"), &svg), NE_OK);
    size_t circles = 0;
    for (const char *next = (char *)svg.data; (next = strstr(next, "<circle ")); next++) circles++;
    ck_assert_uint_eq(circles, 7);
    ck_assert_ptr_nonnull(strstr((char *)svg.data, ">b &lt;&amp;&gt;</text>"));
    ck_assert_ptr_nonnull(strstr((char *)svg.data, ">caf\xC3\xA9 ?? ?\?\?</text>"));
    ck_assert_ptr_nonnull(strstr((char *)svg.data, "</svg>"));
    bytes_clear(&svg);
    plot_clear(&of);
    labels_clear(&kinds);
}
END_TEST

Suite *pictures_suite(void);

Suite *pictures_suite(void)
{
    Suite *suite = suite_create("pictures");
    TCase *tests = tcase_create("pictures");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, an_outfile_is_there_whole_or_not_at_all);
    tcase_add_test(tests, an_outfile_that_can_not_be_is_refused);
    tcase_add_test(tests, what_is_written_reads_back);
    tcase_add_test(tests, csv_has_a_header_and_quotes_what_needs_it);
    tcase_add_test(tests, colours_of_classes_differ_for_every_sight);
    tcase_add_test(tests, the_scale_runs_evenly_from_blue_by_green_to_yellow);
    tcase_add_test(tests, a_disc_covers_its_area);
    tcase_add_test(tests, shapes_that_reach_over_the_edge_are_cut);
    tcase_add_test(tests, every_letter_has_strokes_within_its_width);
    tcase_add_test(tests, a_plot_has_one_scale_for_both_axes_and_y_upwards);
    tcase_add_test(tests, a_disk_keeps_its_scale_and_its_circle);
    tcase_add_test(tests, a_grid_gives_each_picture_a_panel_and_all_one_legend);
    tcase_add_test(tests, a_ring_covers_its_area);
    tcase_add_test(tests, a_plot_of_points_in_one_place_or_not_finite_is_a_plot);
    tcase_add_test(tests, the_drawing_order_is_mixed_and_the_same_every_time);
    tcase_add_test(tests, many_numbers_get_a_scale_and_many_words_a_legend);
    tcase_add_test(tests, titles_say_how_other_dimensions_were_drawn);
    tcase_add_test(tests, a_png_shows_the_discs_in_their_colours);
    tcase_add_test(tests, an_svg_has_every_disc_and_escapes_its_text);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(pictures_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
