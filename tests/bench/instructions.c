/* tests/bench/instructions.c: each hot kernel once, for tests/ci/instructions.sh to count its instructions.
 *
 * Data are small and the same everywhere, threads are one, nothing calls BLAS, and what is counted is a second run, when
 * memory is there. A kernel is a function measure_NAME(), which is not inlined: the counter is told to look inside of
 * those only. */
#include "base/random.h"
#include "cpu/attract.h"
#include "cpu/edge_groups.h"
#include "cpu/knn_sketch.h"
#include "cpu/metric.h"
#include "cpu/negatives.h"
#include "cpu/repulse_exact.h"
#include "cpu/repulse_grid.h"
#include "cpu/repulse_tree.h"
#include "cpu/box.h"
#include "cpu/top_k.h"
#include "cpu/update.h"
#include "embedding/embedding.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    N         = 4096, /* points of a layout */
    C         = 2,
    FEW       = 1024, /* of them, where all pairs are summed */
    EDGES     = 32,
    NEGATIVES = 5,
    ROWS      = 256, /* lists of the neighbor search, */
    OFFERS    = 2048,
    KEEP      = 90,
    D         = 784,
    WIDTH     = 48,
    DATA_ROWS = 512, /* of the methods' fits */
    DATA_COLS = 8
};

#define MEASURED __attribute__((noinline))

typedef struct bench {
    ne_context   *context;
    ne_status     status; /* the first that was not NE_OK */
    output_kernel kernel;
    ne_problem    problem;
    repulse_tree *tree;
    repulse_grid *grid;
    top_k         lists;
    ne_embedding *fit;
    const ne_csr *p;
    edge_groups  *edges;
    csr           distances;
    float         z[N * C], f[N * C], g[N * C], gains[N * C], u[N * C];
    int64_t       start[N + 1], order[N];
    int32_t       col[N * EDGES], circle[N], circle_row[N];
    float         val[N * EDGES], offer[ROWS * OFFERS], zeros[OFFERS];
    float         row[5 * D], panel[OFFERS * WIDTH], value[4 * OFFERS], data[DATA_ROWS * DATA_COLS];
} bench;

static double unit(uint32_t what, size_t i)
{
    return random_unit(random_draw(1, STREAM_SAMPLE, what, i, 0).word[0]);
}

static void check(bench *b, ne_status st)
{
    if (b->status == NE_OK) b->status = st;
}

/* --- What is measured. */

void measure_attraction(bench *b);
void measure_attraction_packed(bench *b);
void measure_repulsion_exact(bench *b);
void measure_repulsion_tree(bench *b);
void measure_repulsion_grid(bench *b);
void measure_negatives(bench *b);
void measure_update(bench *b);
void measure_top_k(bench *b);
void measure_distances(bench *b);
void measure_sketch(bench *b);
void measure_entropic(bench *b);
void measure_step_of_umap(bench *b);
void measure_step_of_pacmap(bench *b);
void measure_step_of_trimap(bench *b);

MEASURED void measure_attraction(bench *b)
{
    const attraction_job job = {.n = N, .c = C, .row1 = N, .p = b->p, .z = b->z, .f = b->f, .kernel = &b->kernel};
    check(b, cpu_attract(b->context, &job));
}

MEASURED void measure_attraction_packed(bench *b)
{
    const attraction_job job = {
        .n = N, .c = C, .row1 = N, .p = b->p, .z = b->z, .f = b->f, .kernel = &b->kernel, .edges = b->edges};
    check(b, cpu_attract(b->context, &job));
}

MEASURED void measure_repulsion_exact(bench *b)
{
    repulsion_job job = {.z = b->z, .f = b->f, .row1 = FEW};
    check(b, repulse_exact(b->context, FEW, C, &b->kernel, &job));
}

MEASURED void measure_repulsion_tree(bench *b)
{
    repulsion_job job = {.z = b->z, .f = b->f, .row1 = N};
    check(b, repulse_tree_run(b->context, b->tree, &job));
}

MEASURED void measure_repulsion_grid(bench *b)
{
    const box     around = box_of(b->context, N, C, b->z);
    repulsion_job job    = {.z = b->z, .f = b->f, .row1 = N};
    check(b, repulse_grid_run(b->context, b->grid, &around, &job));
}

MEASURED void measure_negatives(bench *b)
{
    const negatives_job job = {.n         = N,
                               .c         = C,
                               .row1      = N,
                               .z         = b->z,
                               .f         = b->f,
                               .kernel    = &b->kernel,
                               .over_rows = 1,
                               .count     = NEGATIVES,
                               .problem   = &b->problem,
                               .step      = 1};
    check(b, cpu_negatives(b->context, &job));
}

MEASURED void measure_update(bench *b)
{
    const optimizer_rule rule = {.kind = OPTIMIZER_SGD};
    update_job           job  = {.n             = N,
                                 .c             = C,
                                 .attraction    = b->f,
                                 .repulsion     = b->g,
                                 .attract_scale = 4,
                                 .repulse_scale = 4,
                                 .gains         = b->gains,
                                 .u             = b->u,
                                 .z             = b->z,
                                 .momentum      = 0.9,
                                 .look_ahead    = 0.9,
                                 .rate          = 1e-3,
                                 .max_step      = 5,
                                 .rule          = &rule,
                                 .count         = 1};
    check(b, cpu_update(b->context, &job));
}

MEASURED void measure_top_k(bench *b)
{
    top_k_reset(&b->lists, 0, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        top_k_offer_row(&b->lists, i, b->offer + i * OFFERS, b->zeros, OFFERS, 0);
        top_k_shrink(&b->lists, i);
        top_k_sort(b->lists.key + i * b->lists.room, b->lists.count[i]);
    }
}

MEASURED void measure_distances(bench *b)
{
    const float *const four[4] = {b->row + D, b->row + 2 * D, b->row + 3 * D, b->row + 4 * D};
    for (size_t i = 0; i < 1000; i++) metric_squares_of_four(b->row, four, D, b->value);
}

MEASURED void measure_sketch(bench *b)
{
    const float *const four[4] = {b->row, b->row + D, b->row + 2 * D, b->row + 3 * D};
    knn_sketch_products(b->panel, OFFERS / SKETCH_PANEL, WIDTH, four, b->value, OFFERS);
}

MEASURED void measure_entropic(bench *b)
{
    check(b, affinity_apply(b->context, b->fit->input, b->fit->params.input, &b->distances, NULL));
}

MEASURED void measure_step_of_umap(bench *b)
{
    check(b, ne_embedding_step(b->fit, 1));
}

MEASURED void measure_step_of_pacmap(bench *b)
{
    check(b, ne_embedding_step(b->fit, 1));
}

MEASURED void measure_step_of_trimap(bench *b)
{
    check(b, ne_embedding_step(b->fit, 1));
}

/* --- Making the data. */

/* A layout in 16 clots, about as wide as an embedding of N points; edges half near in the order and half far. */
static void make_layout(bench *b)
{
    for (size_t i = 0; i < N; i++) {
        double             spread[2];
        const random_block r = random_draw(1, STREAM_SAMPLE, 0, i, 1);
        random_normal(r.word[0], r.word[1], spread);
        b->z[2 * i]     = (float)(10.0 * (double)(i * 16 / N % 4) + 2 * spread[0]);
        b->z[2 * i + 1] = (float)(10.0 * (double)(i * 16 / N / 4) + 2 * spread[1]);
        b->order[i]     = (int64_t)i;
        b->circle[i]    = (int32_t)((i * 2654435761u + 17) % N); /* odd factor: a permutation */
        b->start[i + 1] = (int64_t)((i + 1) * EDGES);
        for (size_t e = 0; e < EDGES; e++) {
            const size_t near = (i + e + 1) % N, far = (size_t)(unit(1, i * EDGES + e) * N);
            b->col[i * EDGES + e] = (int32_t)(e % 2 || far == i ? near : far);
            b->val[i * EDGES + e] = 1.0f / (N * EDGES);
        }
        b->gains[2 * i] = b->gains[2 * i + 1] = 1;
        b->g[2 * i]                           = (float)(1e-3 * spread[0]);
        b->g[2 * i + 1]                       = (float)(1e-3 * spread[1]);
    }
    for (size_t i = 0; i < N; i++) b->circle_row[b->circle[i]] = (int32_t)i;
    b->problem = (ne_problem){.struct_size = sizeof b->problem,
                              .n           = N,
                              .c           = C,
                              .row1        = N,
                              .seed        = 1,
                              .threads     = 1,
                              .context     = b->context,
                              .order       = b->order,
                              .circle      = b->circle,
                              .circle_row  = b->circle_row};
}

static void make_rows(bench *b)
{
    for (size_t i = 0; i < (size_t)ROWS * OFFERS; i++) b->offer[i] = (float)unit(2, i);
    for (size_t i = 0; i < (size_t)5 * D; i++) b->row[i] = (float)unit(3, i);
    for (size_t i = 0; i < (size_t)OFFERS * WIDTH; i++) b->panel[i] = (float)unit(4, i);
    for (size_t i = 0; i < (size_t)DATA_ROWS * DATA_COLS; i++)
        b->data[i] = (float)(unit(5, i) + (double)(i / DATA_COLS % 4) * (double)(i % 3));
}

/* Distances of ROWS rows to KEEP neighbors each, ascending as those of points in a few dimensions. */
static void make_distances(bench *b)
{
    for (size_t e = 0; e < b->distances.entries; e++) {
        b->distances.col[e] = (int32_t)((e / KEEP + e % KEEP + 1) % ROWS);
        b->distances.val[e] = (float)((1 + unit(6, e / KEEP)) * sqrt((double)(e % KEEP + 1)));
    }
    for (size_t i = 0; i <= ROWS; i++) b->distances.start[i] = (int64_t)(i * KEEP);
}

static int make(bench *b)
{
    const repulsion_plan plan = {.n = N, .c = C, .kernel = &b->kernel, .accuracy = 0.01};
    b->kernel                 = (output_kernel){.kind = KERNEL_STUDENT, .shape = 1};
    check(b, ne_context_create(&b->context));
    if (b->status == NE_OK) check(b, ne_context_set_int(b->context, "threads", 1));
    if (b->status == NE_OK) check(b, repulse_tree_create(b->context, &plan, &b->tree));
    if (b->status == NE_OK) check(b, repulse_grid_create(b->context, &plan, &b->grid));
    if (b->status == NE_OK) check(b, top_k_create(&b->context->memory, ROWS, KEEP, &b->lists));
    if (b->status == NE_OK) check(b, csr_new(&b->context->memory, ROWS, (size_t)ROWS * KEEP, &b->distances));
    if (b->status == NE_OK) {
        make_layout(b);
        make_rows(b);
        make_distances(b);
    }
    return b->status == NE_OK;
}

static void drop(bench *b)
{
    if (b->context) {
        repulse_tree_free(b->context, b->tree);
        repulse_grid_free(b->context, b->grid);
        cpu_edges_free(b->context, b->edges);
        top_k_clear(&b->context->memory, &b->lists);
        csr_clear(&b->context->memory, &b->distances);
        ne_context_free(b->context);
    }
}

/* --- Runs. */

/* Steps from the second on; the first one allocates. */
static void run_method(bench *b, const char *name, void (*measure)(bench *b))
{
    const ne_dense x = {sizeof x, b->data, DATA_ROWS, DATA_COLS, 0, NE_F32, NE_HOST};
    b->fit           = NULL;
    check(b, ne_embedding_create(b->context, name, &b->fit));
    if (b->status == NE_OK) check(b, ne_embedding_set(b->fit, "init", "random"));
    if (b->status == NE_OK) check(b, ne_embedding_start(b->fit, NULL, &x));
    if (b->status == NE_OK) check(b, ne_embedding_step(b->fit, 1));
    if (b->status == NE_OK) measure(b);
    ne_embedding_free(b->fit);
}

static void run_entropic(bench *b)
{
    b->fit = NULL;
    check(b, ne_embedding_create(b->context, "tsne", &b->fit));
    if (b->status == NE_OK) measure_entropic(b);
    ne_embedding_free(b->fit);
}

int main(void)
{
    bench *b = calloc(1, sizeof *b);
    if (b && make(b)) {
        const ne_csr  p      = {sizeof p, N, N, b->start, b->col, b->val, NE_F32, NE_HOST};
        repulsion_job first  = {.z = b->z, .f = b->f, .row1 = N};
        const box     around = box_of(b->context, N, C, b->z);
        b->p                 = &p;
        check(b, repulse_tree_run(b->context, b->tree, &first));
        check(b, repulse_grid_run(b->context, b->grid, &around, &first));
        check(b, edge_groups_make(b->context, &p, &b->edges));
        measure_attraction(b);
        measure_attraction_packed(b);
        measure_repulsion_exact(b);
        measure_repulsion_tree(b);
        measure_repulsion_grid(b);
        measure_negatives(b);
        measure_update(b);
        measure_top_k(b);
        measure_distances(b);
        measure_sketch(b);
        run_entropic(b);
        run_method(b, "umap", measure_step_of_umap);
        run_method(b, "pacmap", measure_step_of_pacmap);
        run_method(b, "trimap", measure_step_of_trimap);
    }
    const int ok = b && b->status == NE_OK;
    if (!ok) fprintf(stderr, "instructions: %s\n", b ? ne_last_error() : "no memory");
    if (b) drop(b);
    free(b);
    return !ok;
}
