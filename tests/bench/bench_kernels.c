/* tests/bench/bench_kernels.c: nanoseconds of the kernels of a step: attraction per edge, exact repulsion per pair,
 * tree and update per point, and what the tree gets wrong.
 *
 *     bench_kernels [n=10000,64000,300000] [threads=1,2] [edges=128] [extent=0] [c=2,3] [nu=1] [accuracy=0.01]
 *                   [runs=7] [layout=FILE] [clock=wall|cpu]
 *
 * Points are clusters of sizes that differ thirtyfold, in the tree's order, at 18 points a unit of area (volume) if
 * extent is 0; or c columns of float32 from FILE, n of them. The edges of a point are about half near it in that
 * order and half far, as those of a finished embedding are. The best of the runs, which are taken in turn: on a
 * machine that others use, a number of one run says little, and clock=cpu (seconds of all threads together, their
 * waiting included) says more. */
#include "base/clock.h"
#include "base/random.h"
#include "cpu/attract.h"
#include "cpu/repulse_exact.h"
#include "cpu/repulse_tree.h"
#include "cpu/tree.h"
#include "cpu/update.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIR_ROWS = 512, /* that exact sums are timed on */
    SAMPLES   = 16,  /* places at which the tree is compared with them, */
    SAMPLE    = 64,  /* so many rows each */
    LISTED    = 8
};

typedef struct bench {
    ne_context   *context;
    size_t        n, c, edges, runs;
    output_kernel kernel;
    double        accuracy, extent;
    const char   *file;
    double (*seconds)(void);
    float   *z, *attraction, *repulsion, *gains, *u;
    int64_t *start;
    int32_t *col;
    float   *val;
} bench;

static double wall_seconds(void)
{
    return clock_seconds();
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static double unit(uint32_t step, size_t i, size_t k)
{
    return random_unit(random_draw(3, STREAM_SAMPLE, step, i, (uint32_t)k).word[0]);
}

static double normal(uint32_t step, size_t i, size_t k)
{
    const random_block draw = random_draw(4, STREAM_SAMPLE, step, i, (uint32_t)k);
    double             pair[2];
    random_normal(draw.word[0], draw.word[1], pair);
    return pair[0];
}

static int make_points(bench *b)
{
    const size_t clusters = 60;
    const double extent   = b->extent > 0 ? b->extent : pow((double)b->n / 18, 1 / (double)b->c);
    tree         order    = {0};
    float       *made     = malloc(b->n * b->c * sizeof *made);
    int          ok       = made != NULL;
    if (ok && b->file) {
        FILE *file = fopen(b->file, "rb");
        ok         = file && fread(made, b->c * sizeof *made, b->n, file) == b->n;
        if (file) fclose(file);
    }
    for (size_t i = 0; ok && !b->file && i < b->n; i++)
        for (size_t k = 0; k < b->c; k++) {
            const size_t cluster = i % clusters;
            const double spread  = 0.004 * pow(30, (double)cluster / (double)clusters);
            made[i * b->c + k]   = (float)(extent * (unit(0, cluster, k) - 0.5 + spread * normal(1, i, k)));
        }
    ok = ok && tree_build(b->context, &order, b->n, b->c, made, 1, 0) == NE_OK;
    for (size_t i = 0; ok && i < b->n; i++)
        memcpy(b->z + i * b->c, made + order.curve.order[i] * b->c, b->c * sizeof *made);
    tree_clear(b->context, &order);
    free(made);
    return ok;
}

/* Half the edges within 200 places, the others within 5000. Not symmetric, which no kernel looks at. */
static void make_edges(bench *b)
{
    size_t entries = 0;
    for (size_t i = 0; i < b->n; i++) {
        const size_t degree = (size_t)((double)b->edges * (0.7 + 0.6 * unit(2, i, 0)));
        b->start[i]         = (int64_t)entries;
        for (size_t e = 0; e < degree; e++) {
            const double reach = e % 2 ? 200 : 5000, away = (unit(3, i, e) - 0.5) * 2 * reach;
            double       j = fabs((double)i + away);
            if (j > (double)(b->n - 1)) j = (double)(b->n - 1) - fmod(j, (double)(b->n - 1));
            b->col[entries]   = (int32_t)j;
            b->val[entries++] = (float)(1 / ((double)b->n * (double)b->edges));
        }
        qsort(b->col + b->start[i], degree, sizeof *b->col, ascending);
    }
    b->start[b->n] = (int64_t)entries;
}

static int bench_new(bench *b)
{
    const size_t count = b->n * b->c, most = b->n * (2 * b->edges);
    float      **arrays[] = {&b->z, &b->attraction, &b->repulsion, &b->gains, &b->u};
    int          ok       = 1;
    for (size_t a = 0; a < 5; a++) ok &= (*arrays[a] = calloc(count, sizeof **arrays[a])) != NULL;
    ok &= (b->start = calloc(b->n + 1, sizeof *b->start)) != NULL;
    ok &= (b->col = calloc(most, sizeof *b->col)) != NULL;
    ok &= (b->val = calloc(most, sizeof *b->val)) != NULL;
    ok = ok && make_points(b);
    if (ok) make_edges(b);
    for (size_t i = 0; ok && i < count; i++) b->gains[i] = 1;
    return ok;
}

static void bench_free(bench *b)
{
    free(b->z);
    free(b->attraction);
    free(b->repulsion);
    free(b->gains);
    free(b->u);
    free(b->start);
    free(b->col);
    free(b->val);
}

/* Relative L2 error of the tree's forces on rows from all over the layout. */
static double force_error(const bench *b, float *exact)
{
    double wrong = 0, size = 0;
    for (size_t s = 0; s < SAMPLES; s++) {
        const size_t  row0 = s * b->n / SAMPLES, row1 = row0 + SAMPLE < b->n ? row0 + SAMPLE : b->n;
        repulsion_job job = {b->z, exact, row0, row1, 0};
        if (repulse_exact(b->context, b->n, b->c, &b->kernel, &job) != NE_OK) size = NAN;
        for (size_t i = row0 * b->c; i < row1 * b->c; i++) {
            const double want = (double)exact[i], got = (double)b->repulsion[i];
            wrong += (got - want) * (got - want);
            size += want * want;
        }
    }
    return sqrt(wrong / size);
}

static int bench_run(bench *b)
{
    const ne_csr   p       = {sizeof p, b->n, b->n, b->start, b->col, b->val, NE_F32, NE_HOST};
    const size_t   rows    = b->n < PAIR_ROWS ? b->n : PAIR_ROWS;
    float         *exact   = malloc(b->n * b->c * sizeof *exact);
    double         best[5] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY}, loss;
    repulse_tree  *with    = NULL;
    repulsion_plan plan    = {
           .n = b->n, .c = b->c, .kernel = &b->kernel, .method = NE_REPULSION_BARNES_HUT, .accuracy = b->accuracy};
    attraction_job attract = {
        .n = b->n, .c = b->c, .row1 = b->n, .p = &p, .z = b->z, .f = b->attraction, .kernel = &b->kernel};
    repulsion_job pairs = {b->z, exact, 0, rows, 0}, far = {b->z, b->repulsion, 0, b->n, 0};
    update_job    update = {.n          = b->n,
                            .c          = b->c,
                            .attraction = b->attraction,
                            .repulsion  = b->repulsion,
                            .gains      = b->gains,
                            .u          = b->u,
                            .z          = b->z,
                            .momentum   = 0.5,
                            .max_step   = 5};
    int           ok     = exact && repulse_tree_create(b->context, &plan, &with) == NE_OK;

    for (size_t r = 0; ok && r < b->runs; r++) {
        double at[6];
        at[0]        = b->seconds();
        attract.loss = NULL;
        ok           = cpu_attract(b->context, &attract) == NE_OK;
        at[1]        = b->seconds();
        attract.loss = &loss;
        ok           = ok && cpu_attract(b->context, &attract) == NE_OK;
        at[2]        = b->seconds();
        ok           = ok && repulse_exact(b->context, b->n, b->c, &b->kernel, &pairs) == NE_OK;
        at[3]        = b->seconds();
        ok           = ok && repulse_tree_run(b->context, with, &far) == NE_OK;
        at[4]        = b->seconds();
        ok           = ok && cpu_update(b->context, &update) == NE_OK; /* rate 0 and u = 0: z stays */
        at[5]        = b->seconds();
        for (size_t k = 0; k < 5; k++) best[k] = fmin(best[k], at[k + 1] - at[k]);
    }
    if (ok)
        printf("%8zu %2zu %5g %3d | %6.3f %6.3f | %6.3f | %7.1f %6.3f %% | %6.2f\n", b->n, b->c, b->kernel.shape,
               context_threads(b->context), best[0] * 1e9 / (double)b->start[b->n],
               best[1] * 1e9 / (double)b->start[b->n], best[2] * 1e9 / ((double)rows * (double)b->n),
               best[3] * 1e9 / (double)b->n, 100 * force_error(b, exact), best[4] * 1e9 / (double)b->n);
    repulse_tree_free(b->context, with);
    free(exact);
    return ok;
}

static size_t parse_list(const char *text, double *list)
{
    size_t count = 0;
    while (*text && count < LISTED) {
        char *end;
        list[count++] = strtod(text, &end);
        text          = *end == ',' ? end + 1 : end + strlen(end);
    }
    return count;
}

int main(int argc, char **argv)
{
    enum {
        SIZES,
        THREADS,
        EDGES,
        EXTENT,
        WIDTHS,
        NU,
        ACCURACY,
        RUNS,
        NUMBERS
    };
    static const char *const names[NUMBERS] = {
        "n=", "threads=", "edges=", "extent=", "c=", "nu=", "accuracy=", "runs="};
    double      list[NUMBERS][LISTED] = {{10000, 64000, 300000}, {1, 2}, {128}, {0}, {2, 3}, {1}, {0.01}, {7}};
    size_t      count[NUMBERS]        = {3, 2, 1, 1, 2, 1, 1, 1};
    const char *file                  = NULL;
    double (*seconds)(void)           = wall_seconds;
    int ok                            = 1;

    for (int a = 1; a < argc; a++) {
        if (strncmp(argv[a], "layout=", 7) == 0) file = argv[a] + 7;
        if (strcmp(argv[a], "clock=cpu") == 0) seconds = cpu_seconds;
        for (size_t k = 0; k < NUMBERS; k++)
            if (strncmp(argv[a], names[k], strlen(names[k])) == 0)
                count[k] = parse_list(argv[a] + strlen(names[k]), list[k]);
    }
    printf("       n  c    nu thr | edge,  + loss |   pair |    tree, wrong by | update   (nanoseconds)\n");
    for (size_t w = 0; ok && w < count[WIDTHS]; w++)
        for (size_t s = 0; ok && s < count[SIZES]; s++) {
            bench b = {.n        = (size_t)list[SIZES][s],
                       .c        = (size_t)list[WIDTHS][w],
                       .edges    = (size_t)list[EDGES][0],
                       .runs     = (size_t)list[RUNS][0],
                       .kernel   = {.kind = KERNEL_STUDENT, .shape = list[NU][0]},
                       .accuracy = list[ACCURACY][0],
                       .extent   = list[EXTENT][0],
                       .file     = file,
                       .seconds  = seconds};
            ok      = ne_context_create(&b.context) == NE_OK && bench_new(&b);
            for (size_t t = 0; ok && t < count[THREADS]; t++) {
                ok = ne_context_set_int(b.context, "threads", (int64_t)list[THREADS][t]) == NE_OK && bench_run(&b);
            }
            bench_free(&b);
            ne_context_free(b.context);
        }
    if (!ok)
        fprintf(stderr, "bench_kernels: %s\n", *ne_last_error() ? ne_last_error() : "no memory, or no such layout");
    return !ok;
}
