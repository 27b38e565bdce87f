/* embedding/transform.c: coordinates of new rows by a fitted embedding whose repulsion is sampled: infotsne, largevis, umap.
 *
 * A new row has its k nearest among the fitted rows, weights p_j as in the fit, and starts at their weighted mean. Then T =
 * min(max_iter / 3, 100) steps of gradient descent at a quarter of the fit's first rate, falling to 0, move it; the fitted
 * rows stay. Its gradient is that of its own terms of the loss:
 *
 *     (2 / n) sum_j p_j w (z - z_j) - (2 / n) sum_m q w (z - z_m) / W     (or / (1 - q)),   n rows fitted
 *     umap: sum_j p_j attraction + (rate sum_j p_j / M) sum_m repulsion,  the forces of methods/umap_forces.h
 *
 * The negatives m of a step are drawn once, for all new rows, and p is of a row alone: so a row's coordinates do not depend
 * on what else is in the batch. Cost: the neighbor search, then T (k + M) pairs a row. */
#include "affinity/row.h"
#include "base/random.h"
#include "base/view.h"
#include "cpu/kernel.h"
#include "embedding/embedding.h"
#include "methods/methods.h"
#include "methods/umap_forces.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    TILE = 256,
    PAD  = 8 /* the kernels work in eights */
};

typedef struct placing {
    const ne_embedding *e;
    const fit          *f;
    int                 umap, over_rows;
    size_t              rows, k, c, draws, steps;
    double              rate, sample_rate;
    umap_curve          curve;
    const int32_t      *near;     /* rows x k, ascending by distance */
    const float        *distance; /* rows x k */
    float              *z;        /* n x c, in the caller's order */
    float              *weight;   /* rows x k */
    float              *y;        /* rows x c */
    float              *gradient; /* rows x c */
    int32_t            *drawn;    /* of this step */
} placing;

/* --- Weights and start --------------------------------------------------------------------------------------------- */

/* exp(-d / sigma), sigma such that all but the nearest add up to log2(n_neighbors). */
static void umap_row_weights(size_t k, const float *distance, double target, float *weight)
{
    const row_view others = {.count = k - 1, .distances = distance + 1, .self = SIZE_MAX};
    const double   mean   = row_exponentials(&others, 0, 0).d / (double)k;
    row_search     search = {-INFINITY, INFINITY};
    double         u = log(mean), sigma = INFINITY;
    if (target < (double)(k - 1) && mean > 0) {
        for (int t = 0; t < 100; t++) {
            const double   beta = exp(-u);
            const row_sums sums = row_exponentials(&others, 0, beta);
            if (fabs(sums.s - target) < 1e-12 * target || !row_search_step(&search, sums.s - target, beta * sums.d, &u))
                break;
        }
        sigma = exp(u);
    }
    row_weights(k, distance, 0, row_precision(sigma), 1, weight);
}

static ne_status place_start(const placing *p, size_t i)
{
    const float   *distance = p->distance + i * p->k;
    const int32_t *near     = p->near + i * p->k;
    float         *weight   = p->weight + i * p->k;
    double         sum      = 0, scale;
    ne_status      st       = NE_OK;

    if (p->umap) umap_row_weights(p->k, distance, log2((double)p->k), weight);
    else st = p->e->input->weights(p->e->params.input, p->f->n, p->k, distance, weight, &scale);
    for (size_t j = 0; j < p->k; j++) sum += (double)weight[j];
    for (size_t k = 0; k < p->c; k++) {
        double mean = 0;
        for (size_t j = 0; j < p->k; j++) mean += (double)weight[j] * (double)p->z[(size_t)near[j] * p->c + k];
        p->y[i * p->c + k] = (float)(mean / fmax(sum, 1e-10));
        if (p->umap && distance[0] == 0) p->y[i * p->c + k] = p->z[(size_t)near[0] * p->c + k];
    }
    return st;
}

/* --- Gradient ------------------------------------------------------------------------------------------------------ */

/* g += by times the sum of weight (y - z_j). */
static void add_pulls(size_t c, const float *y, const float *z, size_t count, const int32_t *col, const float *weight,
                      float by, float *g)
{
    for (size_t t = 0; t < count; t++)
        for (size_t k = 0; k < c; k++) g[k] += by * weight[t] * (y[k] - z[(size_t)col[t] * c + k]);
}

static void squares(size_t c, const float *y, const float *z, size_t count, const int32_t *col, float *s)
{
    for (size_t t = 0; t < count; t++) {
        s[t] = 0;
        for (size_t k = 0; k < c; k++) s[t] += (y[k] - z[(size_t)col[t] * c + k]) * (y[k] - z[(size_t)col[t] * c + k]);
    }
    for (size_t t = count; t < count + PAD; t++) s[t] = 0;
}

/* Repulsion of the stock kernels; over rows in two passes, W first. */
static void add_repulsion(const placing *p, const float *y, double by, float *g)
{
    float  s[TILE + PAD], q[TILE + PAD], force[TILE + PAD];
    double sum = 0;
    for (int pass = p->over_rows ? 0 : 1; pass < 2; pass++)
        for (size_t at = 0; at < p->draws; at += TILE) {
            const size_t   count = p->draws - at < TILE ? p->draws - at : TILE;
            const int32_t *col   = p->drawn + at;
            squares(p->c, y, p->z, count, col, s);
            kernel_values(&p->f->kernel, count, s, q, force);
            for (size_t t = 0; !p->over_rows && t < count; t++) force[t] /= fmaxf(1 - q[t], FLT_EPSILON);
            if (pass == 0)
                for (size_t t = 0; t < count; t++) sum += (double)q[t];
            else add_pulls(p->c, y, p->z, count, col, force, (float)(p->over_rows ? by / fmax(sum, DBL_MIN) : by), g);
        }
}

static void stock_gradient(const placing *p, size_t i, float *gradient)
{
    const base_params *b    = &p->e->base;
    const float       *y    = p->y + i * p->c;
    const double       unit = 2 / (double)p->f->n;
    float              s[TILE + PAD], slope[TILE + PAD];

    memset(gradient, 0, p->c * sizeof *gradient);
    for (size_t at = 0; at < p->k; at += TILE) {
        const size_t   count = p->k - at < TILE ? p->k - at : TILE;
        const int32_t *col   = p->near + i * p->k + at;
        squares(p->c, y, p->z, count, col, s);
        kernel_slopes(&p->f->kernel, count, s, slope, NULL);
        for (size_t t = 0; t < count; t++) slope[t] *= p->weight[i * p->k + at + t];
        add_pulls(p->c, y, p->z, count, col, slope, (float)unit, gradient);
    }
    add_repulsion(p, y, -unit * b->repulsion_strength, gradient);
}

static void umap_gradient(const placing *p, size_t i, float *gradient)
{
    const float *y = p->y + i * p->c, *weight = p->weight + i * p->k;
    double       sum = 0;
    for (size_t j = 0; j < p->k; j++) sum += (double)weight[j];
    const float by = (float)(p->e->base.repulsion_strength * p->sample_rate * sum / (double)p->draws);
    memset(gradient, 0, p->c * sizeof *gradient);
    umap_repel(p->curve, p->c, y, p->z, p->draws, p->drawn, gradient);
    for (size_t k = 0; k < p->c; k++) gradient[k] *= by;
    umap_attract(p->curve, p->c, y, p->z, p->k, p->near + i * p->k, weight, gradient);
}

/* --- Steps --------------------------------------------------------------------------------------------------------- */

static void draw(const placing *p, size_t step)
{
    for (size_t m = 0; m < p->draws; m++) {
        const random_block b = random_draw(p->f->state->seed, STREAM_SAMPLE, (uint32_t)step, UINT64_MAX, (uint32_t)m);
        p->drawn[m]          = (int32_t)random_below(b.word[0], b.word[1], p->f->n);
    }
}

static void descend(const placing *p)
{
    ne_context *context = p->e->context;
    for (size_t step = 0; step < p->steps; step++) {
        const float rate = (float)(p->rate * (1 - (double)step / (double)p->steps));
        draw(p, step);
#pragma omp parallel for schedule(dynamic, 64) num_threads(context_threads(context))
        for (size_t i = 0; i < p->rows; i++) {
            float *g = p->gradient + i * p->c;
            if (p->umap) umap_gradient(p, i, g);
            else stock_gradient(p, i, g);
            for (size_t k = 0; k < p->c; k++) p->y[i * p->c + k] -= rate * g[k];
        }
    }
}

static ne_status plan_placing(const ne_embedding *e, size_t rows, placing *p)
{
    const fit          *f     = e->fit;
    const schedule_rule rule  = fit_schedule(e, f);
    const size_t        third = (size_t)(f->problem.max_iter / 3);
    ne_status           st    = NE_OK;
    int64_t             draws = f->terms.negatives, neighbors = 0;
    double              a, b;

    *p = (placing){.e         = e,
                   .f         = f,
                   .umap      = e->ops == &method_umap,
                   .over_rows = f->terms.normalised == NE_OVER_ROWS,
                   .rows      = rows,
                   .c         = f->c,
                   .steps     = third < 100 ? third : 100,
                   .rate      = schedule_at(&rule, 0).rate / 4};
    if (p->umap) {
        if ((st = umap_kernel_ab(e->params.output, &a, &b)) != NE_OK) return st;
        p->curve = (umap_curve){(float)a, (float)b};
        if ((st = options_get_int(&e->options, "n_neighbors", &neighbors)) != NE_OK) return st;
        if ((st = options_get_int(&e->options, "n_negatives", &draws)) != NE_OK) return st;
        if ((st = options_get_real(&e->options, "negative_sample_rate", &p->sample_rate)) != NE_OK) return st;
    } else {
        neighbors = (int64_t)e->input->neighbors(e->params.input, f->n);
    }
    p->k     = (size_t)neighbors < f->n ? (size_t)neighbors : f->n;
    p->draws = (size_t)draws;
    return NE_OK;
}

ne_status embedding_transform(const ne_embedding *e, const ne_dense *x, const ne_dense *y)
{
    const ne_allocator *mem      = &e->context->memory;
    const fit          *f        = e->fit;
    const size_t        rows     = x->rows;
    int32_t            *near     = NULL;
    float              *distance = NULL;
    placing             p        = {0};
    ne_status           st;

    if (e->ops != &method_umap && (!f ? e->ops != &method_infotsne && e->ops != &method_largevis
                                      : f->terms.repulsion != NE_REPULSION_SAMPLED || e->ops->attractive_gradient))
        return ne_fail(NE_UNSUPPORTED, "%s: has no map for new rows; fit them together with the old ones",
                       e->ops->name);
    if (!f) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    if (!f->kept)
        return ne_fail(NE_NOT_FITTED,
                       "keep_data: the fit has kept no data to compare new rows with; set it to true, and "
                       "fit again");
    if (x->cols != f->kept_cols)
        return ne_fail(NE_INVALID_ARGUMENT, "x: %zu columns, the fit had %zu", x->cols, f->kept_cols);
    if ((st = view_check_shape(y, "y", rows, f->c)) != NE_OK) return st;
    if ((st = plan_placing(e, rows, &p)) != NE_OK) return st;

    near       = memory_new(mem, rows, p.k * sizeof *near);
    distance   = memory_new(mem, rows, p.k * sizeof *distance);
    p.weight   = memory_new(mem, rows, p.k * sizeof *p.weight);
    p.y        = memory_new(mem, rows, p.c * sizeof *p.y);
    p.gradient = memory_new(mem, rows, p.c * sizeof *p.gradient);
    p.z        = memory_new(mem, f->n, p.c * sizeof *p.z);
    p.drawn    = memory_new(mem, p.draws, sizeof *p.drawn);
    if (!near || !distance || !p.weight || !p.y || !p.gradient || !p.z || !p.drawn) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    const ne_dense train = view_of_f32(f->kept, f->n, f->kept_cols), fitted = view_of_f32(p.z, f->n, f->c);
    if ((st = embedding_read(e, &fitted)) != NE_OK) goto done;
    if ((st = knn_query(e->context, &e->knn, &train, x, p.k, near, distance)) != NE_OK) goto done;
    p.near     = near;
    p.distance = distance;
    for (size_t i = 0; i < rows; i++)
        if ((st = place_start(&p, i)) != NE_OK) goto done;
    descend(&p);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < p.c; k++) view_set(y, i, k, (double)p.y[i * p.c + k]);
done:
    memory_free(mem, near);
    memory_free(mem, distance);
    memory_free(mem, p.weight);
    memory_free(mem, p.y);
    memory_free(mem, p.gradient);
    memory_free(mem, p.z);
    memory_free(mem, p.drawn);
    return st;
}
