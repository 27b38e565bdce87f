/* tests/bench/bench_grid.c: milliseconds of a step of the grid repulsion, phase by phase, and its error.
 *
 *     bench_grid [threads=1,2] [points=10000,64000,300000,1000000] [extent=30,60,100] [accuracy=0.01] [order=1]
 *                [file=F]
 *
 * Two columns, Student's kernel with nu = 1. Points: forty normal clusters in a disc, in Morton order (order=0: as they
 * come); or from file=F, raw float32 x, y, scaled. Best of many steps; force error against exact sums of 200 rows. */
#include "base/clock.h"
#include "base/random.h"
#include "cpu/grid_kernel.h"
#include "cpu/grid_points.h"
#include "cpu/repulse_grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST    = 8,
    SAMPLED = 200
};

typedef struct setting {
    double threads[LIST], points[LIST], extent[LIST], accuracy, order;
    size_t threads_count, points_count, extent_count;
    char   file[512];
} setting;

typedef struct point {
    uint64_t key;
    float    at[2];
} point;

static uint64_t spread_bits(uint64_t x)
{
    x = (x | x << 16) & 0x0000ffff0000ffffu;
    x = (x | x << 8) & 0x00ff00ff00ff00ffu;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
    x = (x | x << 2) & 0x3333333333333333u;
    return (x | x << 1) & 0x5555555555555555u;
}

static int by_key(const void *a, const void *b)
{
    const uint64_t x = ((const point *)a)->key, y = ((const point *)b)->key;
    return x < y ? -1 : x > y;
}

/* Within [-1/2, 1/2] in the longer direction. */
static int make_points(const setting *s, point *to, size_t n)
{
    double low[2] = {1e30, 1e30}, high[2] = {-1e30, -1e30};
    FILE  *file = *s->file ? fopen(s->file, "rb") : NULL;
    if (*s->file && !file) return 0;
    for (size_t i = 0; i < n; i++) {
        if (file) {
            if (fread(to[i].at, sizeof *to[i].at, 2, file) != 2) n = i;
        } else {
            const random_block a = random_draw(1, STREAM_SAMPLE, 0, i, 0),
                               b = random_draw(1, STREAM_SAMPLE, 1, i % 40, 0);
            const double angle = 6.283185307 * random_unit(b.word[0]), width = 0.01 + 0.06 * random_unit(b.word[2]);
            double       noise[2];
            random_normal(a.word[0], a.word[1], noise);
            to[i].at[0] = (float)(0.4 * sqrt(random_unit(b.word[1])) * cos(angle) + width * noise[0]);
            to[i].at[1] = (float)(0.4 * sqrt(random_unit(b.word[1])) * sin(angle) + width * noise[1]);
        }
        for (int k = 0; k < 2 && i < n; k++) {
            low[k]  = fmin(low[k], (double)to[i].at[k]);
            high[k] = fmax(high[k], (double)to[i].at[k]);
        }
    }
    if (file) fclose(file);
    const double side = fmax(high[0] - low[0], high[1] - low[1]);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits[2];
        for (int k = 0; k < 2; k++) {
            to[i].at[k] = (float)(((double)to[i].at[k] - (low[k] + high[k]) / 2) / side);
            bits[k]     = (uint64_t)(((double)to[i].at[k] + 0.5) * 65535);
        }
        to[i].key = spread_bits(bits[0]) * 2 + spread_bits(bits[1]);
    }
    if (s->order != 0) qsort(to, n, sizeof *to, by_key);
    return 1;
}

static double error_of(size_t n, const float *z, const float *f)
{
    double wrong = 0, all = 0;
    for (size_t a = 0; a < SAMPLED; a++) {
        const size_t i        = a * n / SAMPLED;
        double       exact[2] = {0};
        for (size_t j = 0; j < n; j++) {
            const double x = (double)z[2 * i] - (double)z[2 * j], y = (double)z[2 * i + 1] - (double)z[2 * j + 1];
            const double q = 1 / (1 + x * x + y * y);
            exact[0] += q * q * x;
            exact[1] += q * q * y;
        }
        for (int k = 0; k < 2; k++) {
            wrong += pow((double)f[2 * i + (size_t)k] - exact[k], 2);
            all += exact[k] * exact[k];
        }
    }
    return sqrt(wrong / all);
}

/* The phases of a step on a grid like the one that repulse_grid would choose. */
static void time_phases(ne_context *context, const output_kernel *kernel, size_t n, const float *z, float *f,
                        double spacing, size_t repeats, double *best, size_t *nodes)
{
    grid_field  field            = {0};
    grid_kernel made             = {0};
    grid_ripple ripple           = {0};
    grid_points points           = {0};
    grid_frame  frame            = {.scale = (float)(1 / spacing)};
    double     *sums             = calloc(n / GATHER_BLOCK + 1, sizeof *sums);
    const box   around           = box_of(context, n, 2, z);
    size_t      shape[GRID_AXES] = {1, 1, 1};
    for (int a = 0; a < 2; a++) {
        const double side = (double)around.high[a] - (double)around.low[a];
        shape[a]          = grid_nodes((size_t)(side / spacing + SPLINE_GATHER + 1.5));
        nodes[a]          = shape[a];
        frame.centre[a]   = (around.high[a] + around.low[a]) / 2;
        frame.origin[a]   = (float)(shape[a] - SPLINE_GATHER) / 2;
    }
    if (grid_create(context, 2, shape, &field) != NE_OK || grid_points_create(context, n, 2, &points) != NE_OK) exit(1);
    if (grid_kernel_set(context, kernel, 0, spacing, 1.5, &field, &made) != NE_OK) exit(1);
    grid_ripple_set(&field, &ripple);
    field.threads = field.threads_most;
    for (size_t r = 0; r < repeats; r++) {
        const double start = clock_seconds();
        box_of(context, n, 2, z);
        const double boxed = clock_seconds();
        grid_spread(&field, &frame, z, &points);
        const double spread = clock_seconds();
        grid_convolve(&field);
        const double convolved = clock_seconds();
        grid_gather(&field, &frame, &ripple, 1, z, n, f, sums);
        best[0] = fmin(best[0], boxed - start);
        best[1] = fmin(best[1], spread - boxed);
        best[2] = fmin(best[2], convolved - spread);
        best[3] = fmin(best[3], clock_seconds() - convolved);
    }
    grid_points_clear(context, &points);
    grid_clear(context, &field);
    free(sums);
}

static void measure(const setting *s, int64_t threads, size_t n, double extent, const point *from)
{
    const output_kernel  kernel  = {.kind = KERNEL_STUDENT, .shape = 1};
    const repulsion_plan plan    = {.n = n, .c = 2, .kernel = &kernel, .accuracy = s->accuracy};
    const size_t         repeats = n > 200000 ? 15 : 60;
    ne_context          *context = NULL;
    repulse_grid        *grid    = NULL;
    float               *z = malloc(2 * n * sizeof *z), *f = malloc(2 * n * sizeof *f);
    double               step = 1, first = 0, best[4] = {1, 1, 1, 1};
    size_t               nodes[2];
    ne_status            st = ne_context_create(&context);
    if (st != NE_OK || !z || !f || ne_context_set_int(context, "threads", threads) != NE_OK) exit(1);
    for (size_t i = 0; i < 2 * n; i++) z[i] = (float)extent * from[i / 2].at[i % 2];
    st = repulse_grid_create(context, &plan, &grid);
    for (size_t r = 0; r <= repeats && st == NE_OK; r++) {
        repulsion_job job    = {.z = z, .f = f, .row0 = 0, .row1 = n};
        const double  start  = clock_seconds();
        const box     around = box_of(context, n, 2, z);
        st                   = repulse_grid_run(context, grid, &around, &job);
        if (r) step = fmin(step, clock_seconds() - start);
        else first = clock_seconds() - start;
    }
    if (st == NE_OK) {
        const double error = error_of(n, z, f);
        time_phases(context, &kernel, n, z, f, 0.395 * pow(s->accuracy / 0.01, 1 / 4.1), repeats, best, nodes);
        printf("%8zu %7g %3d  %4zu x %-4zu %8.3f %8.3f %8.3f %8.3f %9.3f %9.2f %7.2f\n", n, extent, (int)threads,
               nodes[0], nodes[1], 1e3 * best[0], 1e3 * best[1], 1e3 * best[2], 1e3 * best[3], 1e3 * step, 1e3 * first,
               100 * error);
        fflush(stdout);
    } else {
        printf("%8zu %7g %3d  %s\n", n, extent, (int)threads, ne_status_name(st));
    }
    repulse_grid_free(context, grid);
    ne_context_free(context);
    free(z);
    free(f);
}

static size_t read_list(const char *text, double *list)
{
    size_t count = 0;
    for (char *end; *text && count < LIST; text = *end ? end + 1 : end) list[count++] = strtod(text, &end);
    return count;
}

int main(int count, char **text)
{
    setting s = {.threads       = {1, 2},
                 .points        = {10000, 64000, 300000, 1000000},
                 .extent        = {30, 60, 100},
                 .accuracy      = 0.01,
                 .order         = 1,
                 .threads_count = 2,
                 .points_count  = 4,
                 .extent_count  = 3};
    for (int i = 1; i < count; i++) {
        const char *value = strchr(text[i], '=');
        if (!value++) continue;
        if (!strncmp(text[i], "threads=", 8)) s.threads_count = read_list(value, s.threads);
        if (!strncmp(text[i], "points=", 7)) s.points_count = read_list(value, s.points);
        if (!strncmp(text[i], "extent=", 7)) s.extent_count = read_list(value, s.extent);
        if (!strncmp(text[i], "accuracy=", 9)) s.accuracy = strtod(value, NULL);
        if (!strncmp(text[i], "order=", 6)) s.order = strtod(value, NULL);
        if (!strncmp(text[i], "file=", 5)) snprintf(s.file, sizeof s.file, "%s", value);
    }
    printf("%8s %7s %3s  %11s %8s %8s %8s %8s %9s %9s %7s\n", "points", "extent", "T", "nodes", "box", "spread", "fft",
           "gather", "step ms", "first ms", "error %");
    for (size_t p = 0; p < s.points_count; p++) {
        const size_t n    = (size_t)s.points[p];
        point       *from = malloc(n * sizeof *from);
        if (!from || !make_points(&s, from, n)) {
            fprintf(stderr, "bench_grid: no points\n");
            free(from);
            return 1;
        }
        for (size_t e = 0; e < s.extent_count; e++)
            for (size_t t = 0; t < s.threads_count; t++) measure(&s, (int64_t)s.threads[t], n, s.extent[e], from);
        free(from);
    }
    return 0;
}
