/* tests/bench/bench_knn.c: seconds of the k-NN engines, phase by phase.
 *
 *     bench_knn FILE.npy|N,D,CLUSTERS [k=90] [recall=0.95] [threads=0] [metric=sqeuclidean]
 *               [what=exact,approximate,auto,pca] [runs=3]
 *
 * FILE.npy: n x d float32 in C order; or normal clusters of unit width, their centres 3 apart on average in each
 * column. The best of the runs; phases of the approximate engine are those of knn_approximate(). Recall is against an
 * exact run where there is one, else the engine's own sample. */
#include "base/blas.h"
#include "base/clock.h"
#include "base/random.h"
#include "cpu/knn.h"
#include "cpu/knn_visit.h"
#include "cpu/pca.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds of all processors together, for a machine that others use too; what waiting threads spin away is in it. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static float *read_npy(const char *name, size_t *n, size_t *d)
{
    FILE         *file = fopen(name, "rb");
    unsigned char head[10];
    char          text[512] = "";
    float        *x         = NULL;
    if (file && fread(head, 1, 10, file) == 10) {
        const size_t size  = head[8] + 256u * head[9];
        const char  *shape = NULL;
        if (size < sizeof text && fread(text, 1, size, file) == size) shape = strstr(text, "'shape': (");
        if (shape && strstr(text, "'<f4'") && sscanf(shape, "'shape': (%zu, %zu", n, d) == 2) {
            x = malloc(*n * *d * sizeof *x);
            if (x && fread(x, sizeof *x, *n * *d, file) != *n * *d) {
                free(x);
                x = NULL;
            }
        }
    }
    if (file) fclose(file);
    return x;
}

static float *make_clusters(size_t n, size_t d, size_t clusters)
{
    float *x = malloc(n * d * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        for (size_t j = 0; j < d; j++) {
            const random_block a = random_draw(7, STREAM_SAMPLE, 0, i, (uint32_t)j);
            const random_block b = random_draw(7, STREAM_SAMPLE, 1, i % clusters, (uint32_t)j);
            double             noise[2], centre[2];
            random_normal(a.word[0], a.word[1], noise);
            random_normal(b.word[0], b.word[1], centre);
            x[i * d + j] = (float)(noise[0] + 3 / sqrt(2.0) * centre[0]);
        }
    return x;
}

static void say(void *user, int level, const char *text)
{
    (void)user;
    (void)level;
    printf("    %s\n", text);
}

static double agreement(const float *exact, const float *got, size_t n, size_t k)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < k; a++) found += got[i * k + a] <= exact[i * k + k - 1];
    return (double)found / (double)(n * k);
}

/* The steps of knn_approximate(), each with its processor seconds. */
static void phases(ne_context *context, const ne_dense *x, size_t k, double recall, const ne_metric_ops *metric)
{
    const ne_allocator *mem    = &context->memory;
    knn_rows            rows   = {0};
    knn_sketch          sketch = {0};
    knn_cells           cells  = {0};
    knn_pilot           pilot  = {0};
    knn_plan            plan   = {0};
    double              t[8];
    int32_t            *index    = memory_new(mem, x->rows, k * sizeof *index);
    float              *distance = memory_new(mem, x->rows, k * sizeof *distance);
    t[0]                         = cpu_seconds();
    knn_rows_create(context, x, metric, &rows);
    const knn_search search = {.rows = &rows, .k = k, .skip_self = 1, .recall = recall};
    blas_enter();
    t[1] = cpu_seconds();
    knn_pilot_create(context, &search, 0, &pilot);
    t[2] = cpu_seconds();
    knn_sketch_create(context, &rows, 0, &sketch);
    if (!sketch.whole) knn_sketch_correlate(context, &rows, pilot.query, pilot.queries, pilot.index, k, &sketch);
    t[3] = cpu_seconds();
    knn_cells_create(context, &rows, 0, &sketch, &cells);
    t[4] = cpu_seconds();
    knn_pilot_plan(context, &search, &sketch, &cells, &pilot, recall + 0.005, &plan);
    t[5] = cpu_seconds();
    printf("  rows %.3f  pilot %.3f  sketch %.3f (%zu columns, rho %.2f)  cells %.3f (%zu)  plan %.3f\n", t[1] - t[0],
           t[2] - t[1], t[3] - t[2], sketch.width, sketch.rho, t[4] - t[3], cells.count, t[5] - t[4]);
    printf("  plan: visit %zu, measure %zu, expected recall %.4f, cost %.0f ns a row; exact %.0f\n", plan.scan,
           plan.keep, plan.recall, plan.cost, knn_pilot_exact_cost(&search));
    if (plan.scan) {
        knn_visit(context, &search, &sketch, &cells, &plan, index, distance);
        t[6] = cpu_seconds();
        printf("  visit %.3f (%.0f ns a row)  recall of the sample %.4f\n", t[6] - t[5],
               1e9 * (t[6] - t[5]) / (double)x->rows, knn_pilot_recall(&pilot, distance));
    }
    blas_leave();
    knn_pilot_clear(mem, &pilot);
    knn_sketch_clear(mem, &sketch);
    knn_cells_clear(mem, &cells);
    knn_rows_clear(mem, &rows);
    memory_free(mem, index);
    memory_free(mem, distance);
}

int main(int argc, char **argv)
{
    size_t       n = 10000, d = 50, clusters = 20;
    const size_t k       = argc > 2 ? strtoul(argv[2], NULL, 10) : 90;
    const double recall  = argc > 3 ? atof(argv[3]) : 0.95;
    const long   threads = argc > 4 ? atol(argv[4]) : 0;
    const char  *name = argc > 5 ? argv[5] : "sqeuclidean", *what = argc > 6 ? argv[6] : "exact,approximate,auto,pca";
    const ne_metric_ops *metric = NULL;
    const int            runs   = argc > 7 ? atoi(argv[7]) : 3;
    float               *x;
    ne_context          *context = NULL;
    knn_result           exact   = {0};

    if (argc > 1 && sscanf(argv[1], "%zu,%zu,%zu", &n, &d, &clusters) == 3) x = make_clusters(n, d, clusters);
    else x = argc > 1 ? read_npy(argv[1], &n, &d) : make_clusters(n, d, clusters);
    for (size_t m = 0; metric_builtin(m); m++)
        if (strcmp(metric_builtin(m)->name, name) == 0) metric = metric_builtin(m);
    if (!x || !metric || ne_context_create(&context) != NE_OK) {
        fprintf(stderr, "bench_knn: %s\n", !x ? "cannot read the file" : !metric ? "no such metric" : ne_last_error());
        return 1;
    }
    ne_context_set_int(context, "threads", threads);
    printf("%zu x %zu, k = %zu, %s, recall %.2f, %d threads\n", n, d, k, name, recall, context_threads(context));
    const ne_dense    view      = {sizeof view, x, n, d, d, NE_F32, NE_HOST};
    const char *const methods[] = {"auto", "exact", "approximate"};
    static const int  order[]   = {KNN_EXACT, KNN_APPROXIMATE, KNN_AUTO};
    for (int o = 0; o < 3; o++) {
        if (!strstr(what, methods[order[o]])) continue;
        knn_request request = {.x = &view, .k = k, .metric = metric, .method = (knn_method)order[o], .recall = recall};
        double      best = INFINITY, best_cpu = INFINITY;
        if (order[o] == KNN_APPROXIMATE) phases(context, &view, k, recall, metric);
        ne_context_set_log(context, say, NULL);
        for (int run = 0; run < runs && (run == 0 || best < 5); run++) {
            knn_result   got   = {0};
            const double begin = clock_seconds(), cpu = cpu_seconds();
            if (cpu_knn(context, &request, &got) != NE_OK) printf("  %s: %s\n", methods[order[o]], ne_last_error());
            best     = fmin(best, clock_seconds() - begin);
            best_cpu = fmin(best_cpu, cpu_seconds() - cpu);
            ne_context_set_log(context, NULL, NULL);
            if (order[o] == KNN_EXACT && run == 0) {
                exact = got;
                continue;
            }
            if (run == 0 && exact.distance && got.distance)
                printf("  %s: recall of all rows %.4f\n", methods[order[o]],
                       agreement(exact.distance, got.distance, n, k));
            if (run == 0)
                printf("  %s: its own figure %.4f%s\n", methods[order[o]], got.recall, got.exact ? ", exact" : "");
            memory_free(&context->memory, got.index);
            memory_free(&context->memory, got.distance);
        }
        printf("%-12s %.3f s, processors %.3f s\n", methods[order[o]], best, best_cpu);
    }
    for (size_t count = 2; strstr(what, "pca") && count <= 64 && count <= d; count *= 32) {
        double *out = malloc((d + count * d + count) * sizeof *out), best = INFINITY;
        for (int run = 0; run < 3 && out; run++) {
            const pca_job job   = {&view, count, 0, out, out + d, out + d + count * d};
            const double  begin = clock_seconds();
            if (cpu_pca(context, &job) != NE_OK) printf("  pca: %s\n", ne_last_error());
            best = fmin(best, clock_seconds() - begin);
        }
        printf("pca, %2zu      %.3f s\n", count, best);
        free(out);
    }
    memory_free(&context->memory, exact.index);
    memory_free(&context->memory, exact.distance);
    ne_context_free(context);
    free(x);
    return 0;
}
