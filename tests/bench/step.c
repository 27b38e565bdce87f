/* tests/bench/step.c: where the time of a t-SNE step goes, on a finished layout. step.sh runs it beside the prototypes.
 *
 *     step make X.npy NAME LAYOUT.npy [option=text ...]    writes NAME.ptr .col .val (P), .y and .npy (the layout), all in
 *                                                          the working order of a fit: points in order, P by row
 *     step time NAME [threads=1,2] [rounds=5] [clock=cpu] [edges=csr]
 *                                                          reads them; a line for each number of threads; edges=csr: not packed
 *
 * X: n x d, LAYOUT: n x 2, both float32 .npy. Best of the rounds; each is attraction, the same with its loss, repulsion
 * with its box, the update, and whole steps of an embedding whose rate is too small to move a point: what these take
 * beyond the kernels is the loop's own. Beside other work clock=cpu, the seconds of all threads together, says more, of
 * one thread. The error of the repulsion is that of 200 rows against exact sums. */
#include "cpu/attract.h"
#include "cpu/repulse_exact.h"
#include "cpu/repulsion.h"
#include "cpu/update.h"
#include "embedding/embedding.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    NPY_HEAD = 128,
    SAMPLES  = 200,
    PHASES   = 5,
    STEPS    = 6 /* whole steps of a round; as on two threads the loop takes a few alone, the best counts */
};

static int by_cpu, not_packed;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(by_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void check(ne_status st)
{
    if (st != NE_OK) {
        fprintf(stderr, "step: %s\n", *ne_last_error() ? ne_last_error() : ne_status_name(st));
        exit(1);
    }
}

static void *room(size_t count, size_t size)
{
    void *made = calloc(count + 1, size);
    if (!made) check(NE_OUT_OF_MEMORY);
    return made;
}

static FILE *open_or_die(const char *name, const char *ending, const char *mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", name, ending);
    FILE *file = fopen(path, mode);
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static float *read_npy(const char *path, size_t *rows, size_t *columns)
{
    FILE *file               = open_or_die(path, "", "rb");
    char  head[NPY_HEAD + 1] = {0};
    char *at                 = fread(head, 1, NPY_HEAD, file) == NPY_HEAD ? strchr(head + 10, '(') : NULL;
    *rows                    = at ? strtoul(at + 1, &at, 10) : 0;
    *columns                 = at ? strtoul(at + 1, &at, 10) : 0;
    float       *x           = room(*rows * *columns, sizeof *x);
    const size_t read        = fread(x, sizeof *x, *rows * *columns, file);
    fclose(file);
    if (!read || read != *rows * *columns || !strstr(head + 10, "<f4")) {
        fprintf(stderr, "step: %s: not a float32 .npy with a head of %d bytes\n", path, NPY_HEAD);
        exit(1);
    }
    return x;
}

static void write_all(const char *name, const char *ending, const char *head, const void *data, size_t bytes)
{
    FILE *file = open_or_die(name, ending, "wb");
    if ((head && fwrite(head, 1, NPY_HEAD, file) != NPY_HEAD) || fwrite(data, 1, bytes, file) != bytes ||
        fclose(file)) {
        perror(name);
        exit(1);
    }
}

static void *read_all(const char *name, const char *ending, size_t *bytes)
{
    FILE *file = open_or_die(name, ending, "rb");
    fseek(file, 0, SEEK_END);
    *bytes     = (size_t)ftell(file);
    void *data = room(*bytes, 1);
    rewind(file);
    if (fread(data, 1, *bytes, file) != *bytes) check(NE_IO);
    fclose(file);
    return data;
}

/* --- make --------------------------------------------------------------------------------------------------------- */

static void make(int count, char **text)
{
    size_t         n, d, rows, columns;
    float         *x = read_npy(text[2], &n, &d), *layout = read_npy(text[4], &rows, &columns);
    ne_context    *context;
    ne_embedding  *e;
    const ne_dense data  = {sizeof data, x, n, d, d, NE_F32, NE_HOST},
                   start = {sizeof start, layout, n, 2, 2, NE_F32, NE_HOST};

    if (rows != n || columns != 2) check(NE_INVALID_ARGUMENT);
    check(ne_context_create(&context));
    check(ne_embedding_create(context, "tsne", &e));
    for (int i = 5; i < count; i++) {
        char *value = strchr(text[i], '=');
        if (!value) check(NE_INVALID_ARGUMENT);
        *value++ = 0;
        check(ne_embedding_set(e, text[i], value));
    }
    check(ne_embedding_set_array(e, "init", &start));
    check(ne_embedding_start(e, NULL, &data));
    check(fit_sort(context, e->fit));
    const csr *p          = &e->fit->p;
    char       head[1024] = "\x93NUMPY\1";
    memset(head + 8, ' ', NPY_HEAD - 8);
    head[8] = NPY_HEAD - 10;
    head[9] = 0;
    const int chars =
        snprintf(head + 10, NPY_HEAD - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, 2), }", n);
    head[10 + chars]   = ' ';
    head[NPY_HEAD - 1] = '\n';
    write_all(text[3], ".ptr", NULL, p->start, (n + 1) * sizeof *p->start);
    write_all(text[3], ".col", NULL, p->col, p->entries * sizeof *p->col);
    write_all(text[3], ".val", NULL, p->val, p->entries * sizeof *p->val);
    write_all(text[3], ".y", NULL, state_z(e->fit->state), n * 2 * sizeof(float));
    write_all(text[3], ".npy", head, state_z(e->fit->state), n * 2 * sizeof(float));
    ne_embedding_free(e);
    ne_context_free(context);
    free(x);
    free(layout);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static double force_error(ne_context *context, size_t n, const output_kernel *kernel, const float *z, const float *f)
{
    double wrong = 0, all = 0;
    float *exact = room(n * 2, sizeof *exact);
    for (size_t s = 0; s < SAMPLES; s++) {
        const size_t  i   = s * n / SAMPLES;
        repulsion_job job = {z, exact, i, i + 1, 0};
        check(repulse_exact(context, n, 2, kernel, &job));
        for (size_t k = 2 * i; k < 2 * i + 2; k++) {
            wrong += pow((double)f[k] - (double)exact[k], 2);
            all += pow((double)exact[k], 2);
        }
    }
    free(exact);
    return sqrt(wrong / all);
}

static void measure(ne_context *context, ne_embedding *e, int threads, int rounds)
{
    fit                 *f            = e->fit;
    const size_t         n            = f->n;
    double               best[PHASES] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY}, loss, at[PHASES];
    float               *toward = room(n * 2, sizeof *toward), *away = room(n * 2, sizeof *away);
    attraction_job       attract = {.n      = n,
                                    .c      = 2,
                                    .row1   = n,
                                    .p      = &f->p_view,
                                    .z      = state_z(f->state),
                                    .f      = toward,
                                    .kernel = &f->kernel,
                                    .edges  = not_packed ? NULL : f->edges};
    repulsion_job        repulse = {state_z(f->state), away, 0, n, 0};
    const repulsion_plan plan    = {.n = n, .c = 2, .kernel = &f->kernel, .accuracy = 0.01};
    repulsion           *with    = NULL;

    check(ne_context_set_int(context, "threads", threads));
    check(cpu_repulsion_create(context, &plan, &with));
    check(cpu_repulse(context, with, &repulse));
    for (int r = 0; r < rounds; r++) {
        at[0]        = seconds();
        attract.loss = NULL;
        check(cpu_attract(context, &attract));
        at[1]        = seconds();
        attract.loss = &loss;
        check(cpu_attract(context, &attract));
        at[2] = seconds();
        check(cpu_repulse(context, with, &repulse));
        at[3]             = seconds();
        update_job update = {.n             = n,
                             .c             = 2,
                             .attraction    = toward,
                             .repulsion     = away,
                             .attract_scale = 4,
                             .repulse_scale = 4 / repulse.normaliser,
                             .gains         = state_gains(f->state),
                             .u             = state_u(f->state),
                             .z             = state_z(f->state),
                             .max_step      = 5};
        check(cpu_update(context, &update));
        at[4] = seconds();
        for (int k = 0; k < 4; k++) best[k] = fmin(best[k], at[k + 1] - at[k]);
        for (int s = 0; s < STEPS; s++) {
            const double begin = seconds();
            check(ne_embedding_step(e, 1));
            best[4] = fmin(best[4], seconds() - begin);
        }
    }
    const double error = force_error(context, n, &f->kernel, state_z(f->state), away), kernels = best[0] + best[2];
    printf("%8zu %8.1f %3d | %8.2f %6.3f | %6.3f | %8.2f %6.1f %6.3f %% | %6.2f | %8.2f %5.1f %%\n", n,
           (double)f->p.entries / (double)n, threads, 1e3 * best[0], 1e9 * best[0] / (double)f->p.entries,
           1e9 * best[1] / (double)f->p.entries, 1e3 * best[2], 1e9 * best[2] / (double)n, 100 * error,
           1e9 * best[3] / (double)n, 1e3 * best[4], 100 * (best[4] - kernels) / best[4]);
    fflush(stdout);
    cpu_repulsion_free(context, with);
    free(toward);
    free(away);
}

static void measure_all(int count, char **text)
{
    const char    *name = text[2], *threads = "1,2";
    int            rounds = 5;
    size_t         bytes;
    int64_t       *ptr = read_all(name, ".ptr", &bytes);
    const size_t   n   = bytes / sizeof *ptr - 1;
    int32_t       *col = read_all(name, ".col", &bytes);
    float         *val = read_all(name, ".val", &bytes), *y = read_all(name, ".y", &bytes);
    const ne_csr   p     = {sizeof p, n, n, ptr, col, val, NE_F32, NE_HOST};
    const ne_dense start = {sizeof start, y, n, 2, 2, NE_F32, NE_HOST};
    ne_graph      *graph;
    ne_context    *context;
    ne_embedding  *e;

    for (int i = 3; i < count; i++) {
        if (strncmp(text[i], "threads=", 8) == 0) threads = text[i] + 8;
        if (strcmp(text[i], "clock=cpu") == 0) by_cpu = 1;
        if (strcmp(text[i], "edges=csr") == 0) not_packed = 1;
        if (strncmp(text[i], "rounds=", 7) == 0) rounds = atoi(text[i] + 7);
    }
    check(ne_context_create(&context));
    check(ne_graph_from_csr(context, NE_GRAPH_AFFINITY, &p, &graph));
    free(ptr);
    free(col);
    free(val);
    check(ne_embedding_create(context, "tsne", &e));
    check(ne_embedding_set_array(e, "init", &start));
    check(ne_embedding_set(e, "early_exaggeration_iter", "0"));
    check(ne_embedding_set(e, "max_iter", "1000000"));
    check(ne_embedding_set(e, "lr", "1e-9"));
    check(ne_embedding_start(e, graph, NULL));
    ne_graph_free(graph);
    e->fit->state->step = 1001; /* past all sorts */
    printf("       n edges/pt thr |  attraction ns | +loss |  repulsion  ns/pt   error  | update |     step   rest\n");
    for (char *end; *threads; threads = *end ? end + 1 : end)
        measure(context, e, (int)strtol(threads, &end, 10), rounds);
    ne_embedding_free(e);
    ne_context_free(context);
    free(y);
}

int main(int count, char **text)
{
    if (count >= 5 && strcmp(text[1], "make") == 0) make(count, text);
    else if (count >= 3 && strcmp(text[1], "time") == 0) measure_all(count, text);
    else
        fprintf(stderr, "usage: step make X.npy NAME LAYOUT.npy [option=text ...] | step time NAME [threads=1,2] "
                        "[rounds=5] [clock=cpu]\n");
    return 0;
}
