/* cpu/grid_points.c: sorting and spreading, see grid_points.h.
 *
 * A strip is a number of nodes of the first axis with all that is behind them. Points of a strip touch it and the first
 * nodes of the next one, so all even strips can be spread at the same time, and then all odd ones: no atomics, and
 * every node is added to in one order, whatever the number of threads. To find a strip's points, each block of 4096 is
 * sorted by strip, alone; a strip then goes through its part of every block.
 *
 * Neighbors in the order of the points are neighbors in the plane: spread one after another they would add to
 * overlapping windows, and each load would wait for a store that covers half of it. So the eight points of a group come
 * from eight places far apart in their part of the block.
 *
 * Cost for two axes, a point: 2 coordinates read twice, written and read once by the sort; 4 rows of 4 nodes. */
#include "cpu/grid_points.h"

#include <string.h>

enum {
    SORT_BLOCK = 4096,
    RUNS = 4, /* of a block, sorted side by side: a counter that is hit again at once would have to be waited for */
    STRIP_LEAST = 8, /* nodes; more than half of what its points touch */
    STRIPS_MOST = 256
};

typedef struct strip_rule {
    size_t count;
    float  per_node;
} strip_rule;

static strip_rule strip_rule_of(const grid_field *grid)
{
    const size_t shared = (grid->nodes[0] + STRIPS_MOST - 1) / STRIPS_MOST;
    const size_t height = shared < STRIP_LEAST ? STRIP_LEAST : shared;
    return (strip_rule){(grid->nodes[0] + height - 1) / height, 1 / (float)height};
}

NE_INLINE float coordinate(const grid_frame *frame, const float *z, int axis)
{
    return (z[axis] - frame->centre[axis]) * frame->scale + frame->origin[axis];
}

NE_INLINE void strips_of(const grid_frame *frame, float per_node, const float *z, size_t rows, int32_t *strip, int axes)
{
    for (size_t i = 0; i < rows; i++) strip[i] = (int32_t)(coordinate(frame, z + i * (size_t)axes, 0) * per_node);
}

NE_CLONES static void grid_strips_of(const grid_frame *frame, float per_node, const float *z, size_t rows,
                                     int32_t *strip, int axes)
{
    if (axes == 1) strips_of(frame, per_node, z, rows, strip, 1);
    else if (axes == 2) strips_of(frame, per_node, z, rows, strip, 2);
    else strips_of(frame, per_node, z, rows, strip, 3);
}

NE_INLINE void place(const grid_frame *frame, const float *z, float *to, int axes)
{
    for (int a = 0; a < axes; a++) to[a] = coordinate(frame, z, a);
}

/* Runs are stretches of rows / 4 points; the points beyond are the last run's. next[run][strip]: where its next point
 * goes. */
NE_INLINE void place_block(const grid_frame *frame, const float *z, size_t rows, const int32_t *strip,
                           uint32_t next[RUNS][STRIPS_MOST], float *where, int axes)
{
    const size_t run = rows / RUNS;
    for (size_t i = 0; i < run; i++)
        for (size_t q = 0; q < RUNS; q++)
            place(frame, z + (i + q * run) * (size_t)axes, where + next[q][strip[i + q * run]]++ * (size_t)axes, axes);
    for (size_t i = RUNS * run; i < rows; i++)
        place(frame, z + i * (size_t)axes, where + next[RUNS - 1][strip[i]]++ * (size_t)axes, axes);
}

static void sort_block(const grid_frame *frame, const strip_rule *rule, const float *z, size_t rows, int axes,
                       float *where, uint32_t *start)
{
    int32_t      strip[SORT_BLOCK];
    uint32_t     next[RUNS][STRIPS_MOST], at = 0;
    const size_t run = rows / RUNS;
    grid_strips_of(frame, rule->per_node, z, rows, strip, axes);
    for (size_t q = 0; q < RUNS; q++) memset(next[q], 0, rule->count * sizeof **next);
    for (size_t i = 0; i < run; i++)
        for (size_t q = 0; q < RUNS; q++) next[q][strip[i + q * run]]++;
    for (size_t i = RUNS * run; i < rows; i++) next[RUNS - 1][strip[i]]++;
    for (size_t s = 0; s < rule->count; s++) {
        start[s] = at;
        for (size_t q = 0; q < RUNS; q++) {
            const uint32_t held = next[q][s];
            next[q][s]          = at;
            at += held;
        }
    }
    start[rule->count] = at;
    if (axes == 1) place_block(frame, z, rows, strip, next, where, 1);
    else if (axes == 2) place_block(frame, z, rows, strip, next, where, 2);
    else place_block(frame, z, rows, strip, next, where, 3);
}

/* --- Spreading: lanes are points for the weights, and nodes of the last axis for the sums. ------------------------ */

typedef struct target { /* what the innermost loop needs of a grid */
    float *value;
    size_t columns, line;
} target;

/* Weight u of point i becomes number u of quad i. */
NE_INLINE void quads_of(const lanes w[4], lanes_half quad[LANES])
{
    const lanes low0 = LANES_LOW(w[0], w[1]), high0 = LANES_HIGH(w[0], w[1]);
    const lanes low1 = LANES_LOW(w[2], w[3]), high1 = LANES_HIGH(w[2], w[3]);
    const lanes both[4] = {LANES_LOW_PAIRS(low0, low1), LANES_HIGH_PAIRS(low0, low1), LANES_LOW_PAIRS(high0, high1),
                           LANES_HIGH_PAIRS(high0, high1)}; /* points i and i + 4 */
    for (int i = 0; i < 4; i++) {
        quad[i]     = __builtin_shufflevector(both[i], both[i], 0, 1, 2, 3);
        quad[i + 4] = __builtin_shufflevector(both[i], both[i], 4, 5, 6, 7);
    }
}

/* Eight points of which the first `count` are spread: point i is at where[i * apart * axes]. */
NE_INLINE void spread_group(const target *to, const float *where, size_t apart, size_t count, int axes)
{
    const size_t stride = apart * (size_t)axes, columns = to->columns, line = to->line;
    const float  step[GRID_AXES] = {axes == 1 ? 1 : (float)columns, axes == 2 ? 1 : (float)line, 1};
    float        weight[GRID_AXES][SPLINE_SPREAD][LANES];
    int32_t      node[LANES];
    lanes        at = lanes_all(0), w[SPLINE_SPREAD];
    lanes_half   quad[LANES];
    for (int a = 0; a < axes; a++) {
        const float *p    = where + a;
        const lanes  g    = {p[0],          p[stride],     p[2 * stride], p[3 * stride],
                             p[4 * stride], p[5 * stride], p[6 * stride], p[7 * stride]};
        const lanes  cell = lanes_floor(g);
        at += (cell + 1) * step[a]; /* exact: a grid has at most 2^24 nodes */
        spline_weights4(g - cell - 0.5f, w);
        for (int u = 0; u < SPLINE_SPREAD; u++) lanes_store(weight[a][u], w[u]);
    }
    quads_of(w, quad);
    *(lanes_int *)node = __builtin_convertvector(at, lanes_int);
    for (size_t i = 0; i < count; i++) {
        float *row = to->value + node[i];
        if (axes == 1) {
            *(lanes_half *)row += quad[i];
        } else if (axes == 2) {
            for (int u = 0; u < SPLINE_SPREAD; u++, row += columns) *(lanes_half *)row += quad[i] * weight[0][u][i];
        } else {
            for (int u = 0; u < SPLINE_SPREAD; u++, row += columns)
                for (int v = 0; v < SPLINE_SPREAD; v++)
                    *(lanes_half *)(row + (size_t)v * line) += quad[i] * (weight[0][u][i] * weight[1][v][i]);
        }
    }
}

NE_INLINE void spread_part(const target *to, const float *where, size_t length, int axes)
{
    const size_t groups = length / LANES, rest = length % LANES;
    for (size_t g = 0; g < groups; g++) spread_group(to, where + g * (size_t)axes, groups, LANES, axes);
    if (rest) {
        float last[LANES * GRID_AXES] = {0};
        memcpy(last, where + groups * LANES * (size_t)axes, rest * (size_t)axes * sizeof *last);
        spread_group(to, last, 1, rest, axes);
    }
}

NE_CLONES static void grid_spread_part(const target *to, const float *where, size_t length, int axes)
{
    if (axes == 1) spread_part(to, where, length, 1);
    else if (axes == 2) spread_part(to, where, length, 2);
    else spread_part(to, where, length, 3);
}

void grid_spread(const grid_field *grid, const grid_frame *frame, const float *z, grid_points *points)
{
    const size_t     axes = (size_t)grid->axes;
    const strip_rule rule = strip_rule_of(grid);
    const target     to   = {grid->value, grid->columns, grid->line};
#pragma omp parallel for schedule(static) num_threads(grid->threads)
    for (size_t b = 0; b < points->blocks; b++) {
        const size_t first = b * SORT_BLOCK, left = points->n - first;
        sort_block(frame, &rule, z + first * axes, left < SORT_BLOCK ? left : SORT_BLOCK, grid->axes,
                   points->where + first * axes, points->start + b * (STRIPS_MOST + 1));
    }
#pragma omp parallel for schedule(static) num_threads(grid->threads)
    for (size_t i = 0; i < grid->nodes[0]; i++) memset(to.value + i * to.columns, 0, to.columns * sizeof *to.value);
    for (size_t colour = 0; colour < 2; colour++) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(grid->threads)
        for (size_t s = colour; s < rule.count; s += 2) {
            for (size_t b = 0; b < points->blocks; b++) {
                const uint32_t *start = points->start + b * (STRIPS_MOST + 1) + s;
                grid_spread_part(&to, points->where + (b * SORT_BLOCK + start[0]) * axes, start[1] - start[0],
                                 grid->axes);
            }
        }
    }
}

ne_status grid_points_create(ne_context *context, size_t n, int axes, grid_points *made)
{
    const ne_allocator *mem    = &context->memory;
    grid_points         points = {.n = n, .blocks = n / SORT_BLOCK + (n % SORT_BLOCK != 0)};
    points.where               = memory_new(mem, n, (size_t)axes * sizeof *points.where);
    points.start               = memory_new(mem, points.blocks, (STRIPS_MOST + 1) * sizeof *points.start);
    const ne_status st         = points.where && points.start ? NE_OK : NE_OUT_OF_MEMORY;
    if (st == NE_OK) *made = points;
    else grid_points_clear(context, &points);
    return st;
}

void grid_points_clear(ne_context *context, grid_points *points)
{
    memory_free(&context->memory, points->where);
    memory_free(&context->memory, points->start);
    *points = (grid_points){0};
}
