/* cpu/repulse_tree.c: repulsion by a tree, for runs of targets together.
 *
 *     f_i = sum_j q_ij w_ij (z_i - z_j)     normaliser = sum_i sum_{j != i} q_ij
 *
 * Targets are runs of RUN points in the tree's order, four runs make a run of the next level, up to TASK points, which
 * are one thread's. A run gets candidate cells from the run that it is part of, the task the root, and decides on each:
 *
 *     far     (radius + radius of the run)^2 < theta_far^2 (nu + |middle - center|^2):
 *             added once to the run's polynomial, which its parts inherit (expansion.h)
 *     later   about as large as the run or smaller: its parts decide
 *     open    otherwise: its children are decided on instead
 *
 * and a run of RUN points, which has no parts, decides on all:
 *
 *     near    radius^2 < theta_near^2 (nu + (distance to the box of the run)^2): added to each target by its moments
 *     leaf    otherwise, if it has no children, or as few points as cost less than moments: added point by point
 *
 * So far cells, of which there are most, cost a run and not a target, and lists are short because those of parts begin
 * where the whole's ended. Where the layout is small against the kernel's width sqrt(nu), the root is far for all.
 *
 * Cost per point, one thread of 3.2 GHz with AVX2, 64 k points in two columns: 35 ns while the layout is small, 180
 * at 20 points a unit of area, 250 where they are far apart. A target's sums are in one order that threads do not
 * change. */
#include "cpu/repulse_tree.h"

#include "cpu/tree_sums.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    PARTS    = 4,
    LEVELS   = 2,
    TASK     = RUN * PARTS * PARTS, /* PARTS to the power of LEVELS */
    LEAF     = 12,                  /* points of a leaf */
    FEW      = 3,                   /* points that cost less one by one */
    BATCH    = 64,                  /* candidates decided on between looks at the lengths of lists */
    LIST     = 2048,
    CHILDREN = 8,
    DEPTH    = 34, /* at least that of any tree */
    STACK    = LIST + BATCH * CHILDREN * DEPTH
};

/* Calibrated against exact sums on squares, normal clouds, clusters, filaments, points of which each is there five
 * times, and an outlier a hundred times as far as all others, of sizes 0.0001 to 2000, 1000 to 20000 points, 2 and 3
 * columns, nu from 0.5 to 10: at an accuracy of 0.01 the forces are wrong by 0.1 to 0.9 %, the normaliser by less
 * than 0.1 %. The worst layouts found are a straight line, with 5 % and 0.2 %, where all of a target's far cells are in
 * the two directions of the ends of its run, and all points at thirty places, with 3 %. */
static const double THETA_FAR = 0.48, THETA_NEAR = 0.40;

/* Squared distance beyond which nothing but points is added: fourth powers of a distance are floats below 4e9. */
static const float FARTHEST = 1e16f;

/* A run of targets: its box, and a radius that cells are measured against: that of the box, or more where most targets
 * are far from the middle, as in a run of two clusters, so that their mean error is not larger than in a full box. */
typedef struct target_run {
    uint32_t first, last;
    float    middle[3], half[3], radius;
} target_run;

/* What it takes to put runs of RUN targets together: their boxes, and sums of x and |x|^2, x from the low corner. */
typedef struct run_extent {
    float low[3], high[3], sum[3], square, count;
} run_extent;

/* What a thread works with. */
typedef struct walk {
    uint32_t      stack[STACK]; /* candidates */
    uint32_t      later[LEVELS][LIST + 1];
    run_extent    extent[TASK / RUN];
    tree_sums     sums;
    unsigned char alone[RUN]; /* 1: the target has been left out of its own potential */
} walk;

struct repulse_tree {
    repulsion_plan plan;
    tree           tree;
    kernel_numbers by;
    float          theta_far, theta_near;
    walk          *walks; /* one a thread */
    size_t         walk_count;
};

/* Adds the near cells and leaves listed so far to the run's targets. A target in one of the leaves leaves itself
 * out. */
static void flush_near(const repulse_tree *with, walk *w, const target_run *run)
{
    for (size_t l = 0; l < w->sums.leaf_count; l++) {
        const tree_node *leaf  = with->tree.node + w->sums.leaf[l];
        const uint32_t   first = leaf->first > run->first ? leaf->first : run->first;
        const uint32_t   last  = leaf->last < run->last ? leaf->last : run->last;
        for (uint32_t i = first; i < last; i++) w->alone[i - run->first] = 1;
    }
    tree_sums_add_near(&with->tree, &with->by, run->first, run->last, &w->sums);
}

/* --- Decisions. */

static void push_far(const tree *of, uint32_t id, far_cells *to)
{
    const tree_node    *node    = of->node + id;
    const tree_moments *moments = of->moments + id;
    const size_t        i       = to->count++;
    for (int k = 0; k < 3; k++) to->center[k][i] = node->center[k];
    to->weight[i] = moments->weight;
    to->trace[i]  = moments->trace;
    for (int k = 0; k < 6; k++) to->second[k][i] = moments->second[k];
}

/* Decides on the candidates, the first `depth` places of the stack. Those left for the run's parts go to `later`,
 * and their number is returned; `later` is NULL for a run without parts. Decisions are sums of comparisons, not
 * branches, which would be guessed wrong half of the time. */
static size_t decide(const repulse_tree *with, walk *w, const target_run *run, size_t depth, uint32_t *later)
{
    const tree *of  = &with->tree;
    const float far = with->theta_far * with->theta_far, near = 0.25f * with->theta_near * with->theta_near;
    const float nu          = with->by.nu;
    size_t      later_count = 0;

    while (depth) {
        const size_t   batch = depth < BATCH ? depth : BATCH;
        const unsigned full  = later_count + depth + CHILDREN * batch > LIST;
        uint32_t       far_id[BATCH], open_id[BATCH];
        size_t         far_count = 0, open_count = 0, near_count = w->sums.near_count, leaf_count = w->sums.leaf_count;
        depth -= batch;
        for (size_t i = 0; i < batch; i++) {
            const uint32_t   id       = w->stack[depth + i];
            const tree_node *node     = of->node + id;
            float            distance = 0, outside = 0; /* squares: to the middle, and of twice that to the box */
            for (int k = 0; k < 3; k++) {
                const float d = fabsf(node->center[k] - run->middle[k]), out = d - run->half[k];
                distance += d * d;
                outside += (out + fabsf(out)) * (out + fabsf(out));
            }
            const float    reach   = node->radius + run->radius;
            const unsigned within  = distance < FARTHEST;
            const unsigned is_far  = within & (reach * reach < far * (nu + distance));
            const unsigned is_leaf = node->children == 0;
            far_id[far_count] = open_id[open_count] = id;
            far_count += is_far;
            if (later) {
                const unsigned small   = node->radius <= run->radius;
                const unsigned is_late = (is_far ^ 1u) & (is_leaf | small | full);
                later[later_count]     = id;
                later_count += is_late;
                open_count += (is_far | is_late) ^ 1u;
            } else {
                const unsigned fits      = node->radius * node->radius < near * (4 * nu + outside);
                const unsigned is_near   = (is_far ^ 1u) & fits & (node->last - node->first > FEW);
                const unsigned is_last   = ((is_far | is_near) ^ 1u) & is_leaf;
                w->sums.near[near_count] = w->sums.leaf[leaf_count] = id;
                near_count += is_near;
                leaf_count += is_last;
                open_count += (is_far | is_near | is_last) ^ 1u;
            }
        }
        w->sums.near_count = near_count;
        w->sums.leaf_count = leaf_count;
        for (size_t i = 0; i < far_count; i++) push_far(of, far_id[i], &w->sums.far);
        for (size_t i = 0; i < open_count; i++) {
            const tree_node *node = of->node + open_id[i];
            for (uint32_t k = 0; k < CHILDREN; k++)
                w->stack[depth + k] = node->child + k; /* more than there are is no harm */
            depth += node->children;
        }
        if (w->sums.far.count > FAR_CELLS - BATCH) tree_sums_add_far((int)of->c, &with->by, &w->sums);
        if (near_count > NEAR_CELLS - BATCH || leaf_count > NEAR_CELLS - BATCH) flush_near(with, w, run);
    }
    tree_sums_add_far((int)of->c, &with->by, &w->sums);
    return later_count;
}

/* --- Runs. */

static run_extent extent_of(const tree *of, uint32_t first, uint32_t last)
{
    run_extent extent = {.count = (float)(last - first)};
    for (size_t k = 0; k < of->c; k++) {
        const float *x   = of->x[k];
        float        low = x[first], high = x[first];
        for (uint32_t i = first; i < last; i++) {
            low  = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        for (uint32_t i = first; i < last; i++) {
            extent.sum[k] += x[i] - low;
            extent.square += (x[i] - low) * (x[i] - low);
        }
        extent.low[k]  = low;
        extent.high[k] = high;
    }
    return extent;
}

static target_run run_of(const run_extent *part, size_t count, uint32_t first, uint32_t last)
{
    target_run run     = {.first = first, .last = last};
    float      corners = 0, spread = 0; /* squares: distance of the box's corners from its middle, sum of the points' */
    for (int k = 0; k < 3; k++) {
        float low = part[0].low[k], high = part[0].high[k];
        for (size_t g = 1; g < count; g++) {
            low  = part[g].low[k] < low ? part[g].low[k] : low;
            high = part[g].high[k] > high ? part[g].high[k] : high;
        }
        run.middle[k] = 0.5f * (low + high);
        run.half[k]   = 0.5f * (high - low);
        corners += run.half[k] * run.half[k];
    }
    for (size_t g = 0; g < count; g++) {
        spread += part[g].square;
        for (int k = 0; k < 3; k++) {
            const float corner = part[g].low[k] - run.middle[k];
            spread += corner * (2 * part[g].sum[k] + part[g].count * corner);
        }
    }
    spread *= 3 / (float)(last - first); /* in a full box the mean is a third of the corners' */
    run.radius = sqrtf(corners > spread ? corners : spread);
    return run;
}

static int owns_any(const repulse_tree *with, const target_run *run, const repulsion_job *job)
{
    int owns = 0;
    for (uint32_t i = run->first; i < run->last && !owns; i++)
        owns = with->tree.curve.order[i] >= job->row0 && with->tree.curve.order[i] < job->row1;
    return owns;
}

/* A run without parts: forces of its rows, and the sum of their potentials without q_ii = 1. */
static double finish_run(const repulse_tree *with, walk *w, const target_run *run, size_t candidates,
                         repulsion_job *job)
{
    tree_sums *sums  = &w->sums;
    double     total = 0;

    for (size_t i = 0; i < RUN; i++) {
        sums->potential[i] = sums->force[0][i] = sums->force[1][i] = sums->force[2][i] = 0;
        w->alone[i]                                                                    = 0;
    }
    decide(with, w, run, candidates, NULL);
    flush_near(with, w, run);
    tree_sums_add_series(&with->tree, run->first, run->last, sums);
    for (uint32_t i = 0; i < run->last - run->first; i++) {
        const size_t row = with->tree.curve.order[run->first + i];
        if (row >= job->row0 && row < job->row1) {
            total += (double)sums->potential[i] - (w->alone[i] ? 0 : 1);
            for (size_t k = 0; k < with->plan.c; k++) job->f[row * with->plan.c + k] = sums->force[k][i];
        }
    }
    return total;
}

/* The targets [first, last). Their candidates are `from`; w->sums.series is the polynomial of what is far for the
 * run that they are part of, and is left as it was. Returns the sum of q of the rows among them that are the job's. */
static double descend(const repulse_tree *with, walk *w, uint32_t first, uint32_t last, int level, const uint32_t *from,
                      size_t count, repulsion_job *job)
{
    const uint32_t     part0 = first % TASK / RUN, parts = (last - first + RUN - 1) / RUN;
    const target_run   run   = run_of(w->extent + part0, parts, first, last);
    const local_series outer = w->sums.series;
    double             total = 0;

    if (owns_any(with, &run, job)) {
        tree_sums_shift((int)with->plan.c, &w->sums, run.middle);
        memcpy(w->stack, from, count * sizeof *from);
        if (level == LEVELS) {
            total = finish_run(with, w, &run, count, job);
        } else {
            const size_t left = decide(with, w, &run, count, w->later[level]);
            uint32_t     step = RUN;
            for (int l = level + 1; l < LEVELS; l++) step *= PARTS;
            for (uint32_t i = first; i < last; i += step)
                total += descend(with, w, i, i + step < last ? i + step : last, level + 1, w->later[level], left, job);
        }
        w->sums.series = outer;
    }
    return total;
}

static double run_task(const repulse_tree *with, walk *w, size_t task, repulsion_job *job)
{
    const uint32_t root = 0, n = (uint32_t)with->plan.n, base = (uint32_t)(task * TASK);
    const uint32_t last = n - base < TASK ? n : base + TASK;
    for (uint32_t first = base; first < last; first += RUN)
        w->extent[(first - base) / RUN] = extent_of(&with->tree, first, last - first < RUN ? last : first + RUN);
    w->sums.series     = (local_series){.used = 0};
    w->sums.near_count = w->sums.leaf_count = w->sums.far.count = 0;
    return descend(with, w, base, last, 0, &root, 1, job);
}

/* What theta is multiplied by: 1 for an accuracy of 0.01, nu = 1 and two columns. The error grows with the fourth
 * power of theta, and with the exponent of the kernel. */
static double leniency(const repulsion_plan *plan)
{
    return pow(plan->accuracy / 0.01, 0.25) * pow(4 / (3 + plan->kernel->shape), 0.6) * (plan->c == 2 ? 1 : 1.05);
}

ne_status repulse_tree_create(ne_context *context, const repulsion_plan *plan, repulse_tree **made)
{
    repulse_tree *with   = NULL;
    ne_status     status = NE_OK;
    if (plan->c < 2 || plan->c > 3) {
        status = ne_fail(NE_UNSUPPORTED, "n_components: %zu, the tree works in 2 and 3 dimensions", plan->c);
    } else if (plan->kernel->kind != KERNEL_STUDENT) {
        status = ne_fail(NE_UNSUPPORTED, "repulsion: barnes_hut is for the Student kernel only");
    } else if (!(with = memory_zero(&context->memory, 1, sizeof *with))) {
        status = NE_OUT_OF_MEMORY;
    } else {
        const float nu   = (float)plan->kernel->shape;
        with->plan       = *plan;
        with->by         = (kernel_numbers){nu, 0.5f * (nu + 1)};
        with->theta_far  = (float)fmin(THETA_FAR * leniency(plan), 0.8);
        with->theta_near = (float)fmin(THETA_NEAR * leniency(plan), 0.7);
        *made            = with;
    }
    return status;
}

ne_status repulse_tree_run(ne_context *context, repulse_tree *with, repulsion_job *job)
{
    const size_t n = with->plan.n, c = with->plan.c, tasks = (n + TASK - 1) / TASK;
    const size_t threads = (size_t)context_threads(context);
    /* A cell of this width passes for near anywhere, so that nothing is gained by smaller ones. */
    const double width  = 0.67 * (double)with->theta_near * sqrt(with->plan.kernel->shape);
    double      *part   = memory_new(&context->memory, tasks, sizeof *part);
    ne_status    status = part ? NE_OK : NE_OUT_OF_MEMORY;

    if (status == NE_OK && threads > with->walk_count) {
        memory_free(&context->memory, with->walks);
        with->walks      = memory_new(&context->memory, threads, sizeof *with->walks);
        with->walk_count = with->walks ? threads : 0;
        status           = with->walks ? NE_OK : NE_OUT_OF_MEMORY;
    }
    if (status == NE_OK) status = tree_build(context, &with->tree, n, c, job->z, LEAF, width);
    if (status != NE_OK) goto done;

    job->normaliser = 0;
    if (with->tree.finite) {
#pragma omp parallel for schedule(dynamic) num_threads((int)threads)
        for (size_t t = 0; t < tasks; t++) part[t] = run_task(with, &with->walks[omp_get_thread_num()], t, job);
        for (size_t t = 0; t < tasks; t++) job->normaliser += part[t];
    } else {
        for (size_t i = job->row0 * c; i < job->row1 * c; i++) job->f[i] = NAN;
        job->normaliser = NAN;
    }
done:
    memory_free(&context->memory, part);
    return status;
}

void repulse_tree_free(ne_context *context, repulse_tree *with)
{
    if (with) {
        tree_clear(context, &with->tree);
        memory_free(&context->memory, with->walks);
        memory_free(&context->memory, with);
    }
}

/* Fitted to a processor of 3.2 GHz with AVX2: a base, and a part that grows with the extent until all cells have few
 * points. */
double repulse_tree_cost(const repulsion_plan *plan, double extent, int threads)
{
    double cost = INFINITY;
    if ((plan->c == 2 || plan->c == 3) && plan->kernel->kind == KERNEL_STUDENT) {
        const double n = (double)plan->n, lenient = leniency(plan), by_n = n / 8000;
        const double width = extent / sqrt(plan->kernel->shape);
        const double point =
            plan->c == 2 ? 32 + (190 + 12 * log2(by_n + 1)) / lenient * (1 - exp(-width / (16 * lenient * sqrt(by_n))))
                         : 54 + 300 * pow(by_n, 0.4) / lenient * (1 - exp(-width / (10 * lenient * cbrt(by_n))));
        cost = n * point * (plan->kernel->shape == 1 ? 1 : 2.2) / threads;
    }
    return cost;
}

double repulse_tree_bytes(const repulsion_plan *plan)
{
    const int works = plan->c >= 2 && plan->c <= 3 && plan->kernel->kind == KERNEL_STUDENT;
    return works ? tree_bytes((double)plan->n, (double)plan->c) : 0;
}
