/* cpu/repulse_grid.c: repulsion on a grid.
 *
 *     phi(z) = sum_j q(|z - z_j|^2)      f_i = -1/2 grad phi(z_i)      normaliser = sum_i phi(z_i) - n q(0)
 *
 * since grad q = -2 q w (z - z_j), for any kernel. So one field serves forces and normaliser: points are spread over
 * nodes by B-splines, convolved with q, and the splines differentiated where phi is read (smooth particle-mesh Ewald,
 * Essmann et al., J. Chem. Phys. 103, 1995). Spreading {1, z} and convolving with q w, as t-SNE programs do, takes
 * c + 1 fields.
 *
 * Spacing. The nodes are a fixed distance apart, by the accuracy asked for, so that the kernel's spectrum is made anew
 * only when the layout outgrows the grid. While all of the layout is small, the distance shrinks with it, in steps.
 *
 * Near pairs. A layout late in a fit is wide and sparse, and nearly all time would go into transforms of a grid that is fine
 * only for the kernel's core. Pairs within a radius are then summed one by one (repulse_near.h), and the grid, with the
 * rest of the kernel, needs far fewer nodes. The radius is the cheapest by the density of points, none in a dense layout.
 *
 * Error. What is wrong with a pair depends on where in their cells the two points are, and so averages out over a cell;
 * it adds up where many points sit in one spot. The density on the nodes tells: a run estimates its error and, where
 * that is too large, does it again with nodes closer together, or gives up.
 *
 * Cost of a step in two dimensions: 17 ns a point, in three passes over z, and 4 to 6 ns a node. */
#include "cpu/repulse_grid.h"

#include "cpu/grid_kernel.h"
#include "cpu/grid_points.h"
#include "cpu/repulse_near.h"

#include <math.h>

enum {
    CELLS_LEAST  = 16, /* across a layout that is small against the kernel */
    SMALL        = 64, /* nodes, below which a grid gets */
    MARGIN_SMALL = 9,  /* so many more */
    FINENESSES   = 7,
    RADII        = 10,
    EVERY        = 16, /* looks until the radius is chosen again: a step that weighs its ways looks twice */
    SAMPLES      = 512,
    TOO_WIDE     = 10000000
};

/* A grid that the layout outgrew is followed by one for a layout so much wider: its spectrum costs as much as
 * eight convolutions. One with more than too_large times the nodes that are needed is not kept. */
static const double roomy = 1.15, roomy_in_space = 1.05, too_large = 1.8;

struct repulse_grid {
    size_t               n, c;
    const output_kernel *kernel_of;
    double               accuracy, spacing; /* spacing: the widest */
    int                  fineness;          /* the spacing in force is that times finer[fineness] */
    grid_field           grid;
    grid_kernel          kernel; /* spacing 0: none yet */
    grid_ripple          ripple;
    grid_points          points;
    double              *sums;
    repulse_near         near; /* n = 0: the kernel is not split */
    double               radius, candidates;
    int                  age; /* since they were chosen */
};

/* Near each other at first, where the estimate falls from one to the next by a third: a finished layout of 10,000 points
 * just misses the first, and 0.92 serves it with 576 nodes a side (wrong by 0.49 %) where 0.84 takes 640. */
static const double finer[FINENESSES] = {1, 0.92, 0.84, 0.77, 0.7, 0.6, 0.5};
/* Of the accuracy: estimates up to here are taken, as what they are for is up to twice that; and from here down, those
 * that a coarser grid is expected to have. */
static const double tolerated = 0.55, promised = 0.4;

/* By columns, the first for one. Spacings at which the error is 1 % at most for points so far apart that hardly any two
 * share a cell, with Student's kernel of nu = 1; with ten to a cell it is a third of that. In three dimensions it is the
 * normaliser that decides: the frequencies that a grid leaves out weigh more, and near pairs miss 0.1 % of their q. */
static const double spacing_of[GRID_AXES] = {0.35, 0.395, 0.345};
/* The roughness of a lone point, and by how much to multiply what its ripple and the roughness of the density
 * predict. */
static const double lone_of[GRID_AXES] = {0.113, 0.059, 0.031}, gain_of[GRID_AXES] = {3, 4, 8};
/* Nanoseconds on one thread of a Zen 3 processor. */
static const double point_cost[GRID_AXES] = {10, 17, 70}, node_cost[GRID_AXES] = {40, 5.5, 16};

/* Of the near part; 0: none. The spacing is reach_of radius^(4/3), at which finished layouts of 10,000 and 70,000 points have
 * force errors of 0.4 %, and at most reach_most radius, for the normaliser of clusters. The error with a near part, measured
 * for radii from 1.5 to 8 and spacings from 0.24 to 0.46 radii: split_gain (spacing / radius)^split_power, times the
 * kernel's amplitude per node and the roughness of the density. */
static const double radius_of[RADII] = {0, 1.5, 2, 2.5, 3, 4, 6, 8, 12, 16}, reach_of = 0.255, reach_most = 0.42;
static const double split_gain = 1.2, split_power = 3.4;
static const double near_point_cost[GRID_AXES] = {0, 20, 76}, near_pair_cost = 0.235;

int repulse_grid_knows(const repulsion_plan *plan)
{
    return plan->c >= 1 && plan->c <= GRID_AXES && grid_kernel_known(plan->kernel);
}

static int splits(const repulsion_plan *plan)
{
    return plan->c >= 2 && grid_kernel_parts(plan->kernel);
}

ne_status repulse_grid_create(ne_context *context, const repulsion_plan *plan, repulse_grid **made)
{
    ne_status     st       = NE_OK;
    repulse_grid *with     = NULL;
    const double  accuracy = plan->accuracy < 1e-5 ? 1e-5 : plan->accuracy > 0.1 ? 0.1 : plan->accuracy;
    if (plan->c < 1 || plan->c > GRID_AXES) {
        st = ne_fail(NE_UNSUPPORTED, "repulsion: fft works for 1 to 3 components, not %zu", plan->c);
        goto done;
    }
    if (!grid_kernel_known(plan->kernel)) {
        st = ne_fail(NE_UNSUPPORTED, "repulsion: fft works for the Student and the Gaussian kernel only");
        goto done;
    }
    with = memory_zero(&context->memory, 1, sizeof *with);
    if (!with) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    with->n         = plan->n;
    with->c         = plan->c;
    with->kernel_of = plan->kernel;
    with->accuracy  = accuracy;
    with->spacing   = spacing_of[plan->c - 1] * grid_kernel_length(plan->kernel) *
                    pow(accuracy / 0.01, accuracy < 0.01 ? 1 / 4.1 : 1.0 / 7);
    with->sums = memory_new(&context->memory, plan->n / GATHER_BLOCK + 1, sizeof *with->sums);
    st         = with->sums ? grid_points_create(context, plan->n, (int)plan->c, &with->points) : NE_OUT_OF_MEMORY;
    if (st == NE_OK && splits(plan)) st = repulse_near_create(context, plan->n, (int)plan->c, &with->near);
    if (st != NE_OK) goto done;
    *made = with;
    with  = NULL;
done:
    repulse_grid_free(context, with);
    return st;
}

void repulse_grid_free(ne_context *context, repulse_grid *with)
{
    if (with) {
        grid_clear(context, &with->grid);
        grid_points_clear(context, &with->points);
        repulse_near_clear(context, &with->near);
        memory_free(&context->memory, with->sums);
        memory_free(&context->memory, with);
    }
}

double repulse_grid_bytes(const repulsion_plan *plan)
{
    const double n = (double)plan->n, c = (double)plan->c, nodes = fmax(n, pow(SMALL, c));
    const double near = splits(plan) ? repulse_near_bytes(n, c) : 0;
    return near + n * c * sizeof(float) + 4 * nodes * sizeof(float); /* values, blocks of complex ones, spectrum */
}

/* --- Shape -------------------------------------------------------------------------------------------------------- */

typedef struct shape {
    double spacing;
    size_t nodes[GRID_AXES], size;
} shape;

/* The box around its centre as a float, which may be nearer to one end. */
typedef struct extent {
    float  centre[GRID_AXES];
    double side[GRID_AXES], longest;
} extent;

static extent extent_of(const box *around, size_t c)
{
    extent made = {.longest = 0};
    for (size_t a = 0; a < c; a++) {
        const double low = (double)around->low[a], high = (double)around->high[a];
        made.centre[a]    = (float)((low + high) / 2);
        const double left = (double)made.centre[a] - low, right = high - (double)made.centre[a];
        made.side[a] = 2 * (left > right ? left : right);
        made.longest = made.side[a] > made.longest ? made.side[a] : made.longest;
    }
    return made;
}

/* Nodes for a side of the box: the windows at both ends, and a little for rounding. */
static double nodes_needed(double side, double spacing)
{
    const double cells = side / spacing + SPLINE_GATHER + 0.5;
    /* A small layout sees a kernel that has not decayed: some nodes for it to bend, and for the splines' inverse to
     * carry that inward, where nobody feels it. */
    return cells + MARGIN_SMALL < SMALL ? cells + MARGIN_SMALL : cells;
}

/* The widest spacing of nodes for a near part of that radius. */
static double spacing_for(const repulse_grid *with, double radius, int fineness)
{
    const double split = fmin(reach_of * pow(radius, 4.0 / 3), reach_most * radius) *
                         pow(with->accuracy / 0.01, with->accuracy < 0.01 ? 1 / split_power : 1.0 / 7);
    return (radius > 0 ? split : with->spacing) * finer[fineness];
}

/* room: so many times the sides of the box. */
static shape shape_for(const repulse_grid *with, const extent *of, double radius, int fineness, double room)
{
    const double step = 1.25, tight = pow(step, ceil(log(of->longest / CELLS_LEAST) / log(step)));
    const double wide = spacing_for(with, radius, fineness);
    shape        made = {.spacing = tight < wide ? tight : wide, .nodes = {1, 1, 1}};
    for (size_t a = 0; a < with->c; a++) {
        const double needed = nodes_needed(room * of->side[a], made.spacing);
        made.nodes[a]       = needed < GRID_NODES_MAX ? grid_nodes((size_t)needed + 1) : SIZE_MAX;
    }
    made.size = grid_size((int)with->c, made.nodes);
    return made;
}

/* Whether the grid at hand serves, too: no coarser than asked for, wide enough, and not much too large. */
static int shape_serves(const repulse_grid *with, const extent *of, const shape *fresh, int fineness)
{
    const double spacing = with->kernel.spacing, wide = spacing_for(with, with->radius, fineness);
    int          serves = spacing > 0 && spacing <= wide && of->longest >= spacing * CELLS_LEAST / 2 &&
                 with->kernel.radius == with->radius;
    for (size_t a = 0; serves && a < with->c; a++)
        serves = nodes_needed(of->side[a], spacing) <= (double)with->grid.nodes[a];
    return serves && (double)grid_size((int)with->c, with->grid.nodes) <= too_large * (double)fresh->size;
}

/* Whether all that is wrong with the grid at hand is that the layout has grown. */
static int outgrown(const repulse_grid *with, const extent *of, const shape *fresh)
{
    int grown = 0;
    for (size_t a = 0; a < with->c; a++)
        grown |= nodes_needed(of->side[a], with->kernel.spacing) > (double)with->grid.nodes[a];
    return grown && with->kernel.radius == with->radius && with->kernel.spacing == fresh->spacing;
}

static ne_status shape_set(ne_context *context, repulse_grid *with, const shape *to)
{
    grid_field  grid   = {0};
    grid_kernel kernel = {0};
    size_t      least  = to->nodes[0];
    for (size_t a = 1; a < with->c; a++) least = to->nodes[a] < least ? to->nodes[a] : least;
    const double bend = 1.5 + (least < SMALL ? MARGIN_SMALL : 0);
    ne_status    st   = grid_create(context, (int)with->c, to->nodes, &grid);
    if (st == NE_OK) st = grid_kernel_set(context, with->kernel_of, with->radius, to->spacing, bend, &grid, &kernel);
    if (st == NE_OK) {
        grid_clear(context, &with->grid);
        with->grid   = grid;
        with->kernel = kernel;
        grid         = (grid_field){0};
        grid_ripple_set(&with->grid, &with->ripple);
    }
    grid_clear(context, &grid);
    return st;
}

double repulse_grid_radius(const repulse_grid *with)
{
    return with->radius;
}

/* --- A step ------------------------------------------------------------------------------------------------------- */

/* With `candidates` pairs for each point if there is a near part. */
static double cost(const repulse_grid *with, size_t rows, size_t size, double radius, double candidates)
{
    const double points = ((double)with->n + (double)rows) / 2, nodes = (double)size;
    const double near = radius > 0 ? (double)with->n * (near_point_cost[with->c - 1] + near_pair_cost * candidates) : 0;
    /* Beyond a few million nodes a convolution waits for memory. */
    return point_cost[with->c - 1] * points + node_cost[with->c - 1] * nodes * (1 + nodes / 3e6) + near + 5000;
}

/* The radius that is cheapest for the layout, now and then; the one in force stays until another is by an eighth. */
static void radius_choose(repulse_grid *with, const box *around, const extent *of, const float *z)
{
    double candidates[RADII], least = INFINITY, present = INFINITY;
    size_t best = 0, now = 0;
    if (of->longest > TOO_WIDE) with->radius = 0; /* no grid will do */
    if (!with->near.n || of->longest < 1e-30 || of->longest > TOO_WIDE || with->age++ % EVERY) return;
    repulse_near_density(&with->near, around, z, radius_of, RADII, candidates);
    for (size_t r = 0; r < RADII && radius_of[r] * 8 < of->longest; r++) {
        const size_t size = shape_for(with, of, radius_of[r], 0, 1).size;
        const double took = size == SIZE_MAX ? INFINITY : cost(with, with->n, size, radius_of[r], candidates[r]);
        if (radius_of[r] == with->radius) now = r;
        if (radius_of[r] == with->radius) present = took;
        if (took < least) best = r;
        if (took < least) least = took;
    }
    if (!(least < 0.875 * present)) best = now;
    with->radius     = radius_of[best];
    with->candidates = candidates[best];
}

double repulse_grid_cost(repulse_grid *with, const box *around, const float *z)
{
    const extent of = extent_of(around, with->c);
    if (z) radius_choose(with, around, &of, z);
    const shape made = of.longest > 0 ? shape_for(with, &of, with->radius, with->fineness, 1) : (shape){.size = 0};
    return made.size == SIZE_MAX ? INFINITY : cost(with, with->n, made.size, with->radius, with->candidates);
}

/* Mean square of a force, from up to SAMPLES groups of rows all over the layout. Those that are not in the job are
 * gathered for the purpose: what is decided on this number must not depend on how rows are divided among ranks. */
static double force_square(const repulse_grid *with, const grid_frame *frame, float factor, const repulsion_job *job)
{
    const size_t c = with->c, n = with->n,
                 groups = (n + LANES - 1) / LANES < SAMPLES ? (n + LANES - 1) / LANES : SAMPLES;
    double sum = 0, rows = 0;
    for (size_t g = 0; g < groups; g++) {
        const size_t first = g * n / groups, count = n - first < LANES ? n - first : LANES;
        float        own[LANES * GRID_AXES];
        const float *f = job->f + first * c;
        if (first < job->row0 || first + count > job->row1) {
            double unused;
            grid_gather(&with->grid, frame, &with->ripple, factor, job->z + first * c, count, own, &unused);
            for (size_t i = 0; i < count * c && with->kernel.radius > 0; i++) own[i] += with->near.force[first * c + i];
            f = own;
        }
        for (size_t i = 0; i < count * c; i++) sum += (double)f[i] * (double)f[i];
        rows += (double)count;
    }
    return sum / rows;
}

static void near_add(const repulse_grid *with, repulsion_job *job)
{
    const size_t first = job->row0 * with->c, last = job->row1 * with->c;
#pragma omp parallel for simd schedule(static) num_threads(with->grid.threads)
    for (size_t i = first; i < last; i++) job->f[i] += with->near.force[i];
}

/* Fills job with the grid at hand; returns an estimate of the relative L2 error of the forces. */
static double run(const ne_context *context, repulse_grid *with, const box *around, const extent *of,
                  repulsion_job *job)
{
    const size_t       c = with->c, rows = job->row1 - job->row0;
    const grid_kernel *kernel = &with->kernel;
    const double       factor = 0.5 * kernel->amplitude / kernel->spacing;
    grid_field        *grid   = &with->grid;
    grid_frame         frame  = {.scale = (float)(1 / kernel->spacing)};
    for (size_t a = 0; a < c; a++) {
        frame.centre[a] = of->centre[a];
        frame.origin[a] = (float)(grid->nodes[a] - SPLINE_GATHER) / 2;
    }
    /* A thread for each 60 us: below that, waiting for each other costs more than it saves. */
    grid_use_threads(context, grid,
                     cost(with, rows, grid->nodes[0] * grid->columns, kernel->radius, with->candidates) / 60e3);
    const double close = kernel->radius > 0 ? repulse_near_run(&with->near, grid->threads, around, kernel->radius,
                                                               job->z, job->row0, job->row1)
                                            : 0;
    grid_spread(grid, &frame, job->z, &with->points);
    const double rough = grid_roughness(grid) / (double)with->n - lone_of[c - 1];
    grid_convolve(grid);
    const double potential = grid_gather(grid, &frame, &with->ripple, (float)-factor, job->z + job->row0 * c, rows,
                                         job->f + job->row0 * c, with->sums);
    job->normaliser        = kernel->amplitude * potential + (double)rows * (double)(with->n - 1) * kernel->far + close;
    if (kernel->radius > 0) near_add(with, job);
    const double square = force_square(with, &frame, (float)-factor, job);
    const double gain   = kernel->radius > 0 ? split_gain * pow(kernel->spacing / kernel->radius, split_power)
                                             : gain_of[c - 1] * fabs((double)with->ripple.odd[0]);
    return square > 0 && rough > 0 ? gain * factor * sqrt(rough / square) : 0;
}

ne_status repulse_grid_run(ne_context *context, repulse_grid *with, const box *around, repulsion_job *job)
{
    const extent of       = extent_of(around, with->c);
    ne_status    st       = NE_OK;
    int          fineness = with->fineness;
    if (of.longest < 1e-30) { /* all points are one */
        for (size_t i = job->row0 * with->c; i < job->row1 * with->c; i++) job->f[i] = 0;
        job->normaliser = (double)(job->row1 - job->row0) * (double)(with->n - 1);
        goto done;
    }
    radius_choose(with, around, &of, job->z);
    for (double error = INFINITY; error > tolerated * with->accuracy; fineness++) {
        if (fineness == FINENESSES) {
            st = NE_UNSUPPORTED;
            goto done;
        }
        const shape fresh = shape_for(with, &of, with->radius, fineness, 1);
        if (fresh.size == SIZE_MAX) {
            st = NE_UNSUPPORTED;
            goto done;
        }
        if (!shape_serves(with, &of, &fresh, fineness)) {
            const double room = !outgrown(with, &of, &fresh) ? 1 : with->c < 3 ? roomy : roomy_in_space;
            const shape  wide = shape_for(with, &of, with->radius, fineness, room);
            st = shape_set(context, with, (double)wide.size > too_large * (double)fresh.size ? &fresh : &wide);
        }
        if (st == NE_OK) st = grid_make_room(context, &with->grid);
        if (st != NE_OK) goto done;
        error          = run(context, with, around, &of, job);
        with->fineness = fineness;
        if (fineness && error * pow(finer[fineness - 1] / finer[fineness], with->radius > 0 ? split_power : 5) <
                            promised * with->accuracy)
            with->fineness--;
    }
done:
    return st;
}
