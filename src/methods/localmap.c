/* methods/localmap.c: LocalMAP (Wang, Sun, Huang & Rudin, AAAI 2025): PaCMAP whose third phase mends its graph as it goes.
 *
 * In that phase, with d = 1 + |z_i - z_j|^2 and theta = low_dist_thres,
 *   - the near force is PaCMAP's times (theta / 2) / sqrt(d): near pairs that came out long, often false ones between two
 *     clusters, let go;
 *   - every tenth step the far pairs are drawn anew, from the rows within theta of the point: clusters that touch are pushed
 *     apart. */
#include "methods/pacmap.h"

#include "methods/methods.h"

enum {
    EVERY = 10, /* steps from one drawing of far pairs to the next */
    TRIES = 100 /* then the old partner stays */
};

typedef struct localmap_params {
    pacmap_params pacmap;
    double        low_dist_thres;
} localmap_params;

static const ne_option localmap_options[] = {
    PACMAP_OPTIONS,
    {.name   = "low_dist_thres",
     .type   = NE_OPT_REAL,
     .offset = offsetof(localmap_params, low_dist_thres),
     .preset = "10",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help = "how near, in the embedding, far pairs of the third phase are; near pairs longer than half of it let go"},
};
static const ne_preset localmap_presets[] = {PACMAP_PRESETS};

/* TorchDR has no LocalMAP to refer to: under reference = torchdr its pairs are drawn once all the same. */
static ne_problem published(const ne_problem *problem)
{
    ne_problem p = *problem;
    p.reference  = 0;
    return p;
}

static ne_status localmap_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const ne_problem as = published(problem);
    return pacmap_plan(params, &as, state, terms);
}

static ne_status localmap_pairs(const void *params, const ne_problem *problem, void *state)
{
    const ne_problem as = published(problem);
    return pacmap_pairs(params, &as, state);
}

static int is_local(const void *params, int64_t step)
{
    return step >= 2 * ((const pacmap_params *)params)->iter_per_phase;
}

static ne_status localmap_begin(const void *params, const ne_problem *problem, void *state, int64_t step,
                                ne_terms *terms)
{
    const ne_problem as = published(problem);
    pacmap_state    *s  = state;
    s->reach            = is_local(params, step) ? ((const localmap_params *)params)->low_dist_thres / 2 : 0;
    return pacmap_begin(params, &as, state, step, terms);
}

/* Row i itself, a near partner, or a far partner that another slot holds. */
static int is_taken(const localmap_params *p, const pacmap_state *s, size_t row, int32_t i, size_t slot, int32_t drawn)
{
    const int32_t *near = s->near_row + row * s->near_count, *far = s->far_row + row * s->far_count;
    int            is = drawn == i;
    for (size_t q = 0; p->pacmap.exclude_neighbors && q < s->near_count; q++) is |= near[q] == drawn;
    for (size_t q = 0; q < s->far_count; q++) is |= q != slot && far[q] == drawn;
    return is;
}

/* One row's far partners, uniform over the rows within theta that are not taken: by rejection, and by distance first, which
 * rejects most. */
static void redraw_row(const localmap_params *p, const pacmap_state *s, const ne_problem *problem, uint32_t step,
                       const float *z, size_t row)
{
    const size_t c = problem->c, i = (size_t)problem->order[row];
    const float *zi = z + row * c, most = (float)(p->low_dist_thres * p->low_dist_thres);

    for (size_t slot = 0; slot < s->far_count; slot++) {
        int32_t     *partner = &s->far_row[row * s->far_count + slot];
        random_block b       = {0};
        for (uint32_t try = 0; try < TRIES; try++) {
            const uint32_t half = 2 * (try % 2); /* a block is good for two draws */
            if (!half) b = random_draw(problem->seed, STREAM_NEGATIVE, step, i, ((uint32_t)slot * TRIES + try) / 2);
            const int32_t drawn  = (int32_t)random_below(b.word[half], b.word[half + 1], problem->n);
            const float  *zj     = z + (size_t)s->place[drawn] * c;
            float         square = 0;
            for (size_t d = 0; d < c; d++) square += (zi[d] - zj[d]) * (zi[d] - zj[d]);
            if (square <= most && !is_taken(p, s, row, (int32_t)i, slot, drawn)) {
                *partner = drawn;
                break;
            }
        }
    }
}

static ne_status localmap_end(const void *params, const ne_problem *problem, void *state, int64_t step, const float *z)
{
    pacmap_state *s = state;
    if (!is_local(params, step) || step % EVERY != 0 || !s->far_count) return NE_OK;
#pragma omp parallel for schedule(dynamic, 64) num_threads(problem->threads)
    for (size_t i = 0; i < problem->n; i++) redraw_row(params, s, problem, (uint32_t)step, z, i);
    circle_links_clear(problem->context, &s->around);
    return links_join(problem->context, problem->n, s->far_count, s->far_row, s->place, &s->far);
}

const ne_method_ops method_localmap = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "localmap",
    .help                 = "LocalMAP: PaCMAP that draws clusters apart which only seem to touch",
    .options              = localmap_options,
    .option_count         = sizeof localmap_options / sizeof *localmap_options,
    .option_size          = sizeof(ne_option),
    .presets              = localmap_presets,
    .preset_count         = sizeof localmap_presets / sizeof *localmap_presets,
    .params_size          = sizeof(localmap_params),
    .state_size           = sizeof(pacmap_state),
    .plan                 = localmap_plan,
    .neighbors            = pacmap_neighbors,
    .on_affinity_computed = localmap_pairs,
    .on_step_begin        = localmap_begin,
    .before_gradient      = pacmap_before,
    .attractive_gradient  = pacmap_attract,
    .repulsive_gradient   = pacmap_repulse,
    .attractive_loss      = pacmap_attract_loss,
    .repulsive_loss       = pacmap_repulse_loss,
    .on_step_end          = localmap_end,
    .clear                = pacmap_clear,
};
