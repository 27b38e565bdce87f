/* cpu/grid_gather.c: potentials and their slopes at the points, see grid_points.h.
 *
 * Eight points at a time. Lanes are points for the weights, nodes of the last axis for the sums over the others, and
 * points again, after two transpositions, for the sum over the last axis:
 *     a = sum_u w_u row_u,  b = sum_u w'_u row_u;   potential = a . w,  slopes = b . w,  a . w'
 * Cost for two axes, a point: 36 nodes of 4 bytes, 12 vector products of eight, and about 20 more for all the
 * weights. */
#include "cpu/grid_points.h"

#include <string.h>

enum {
    WINDOW = SPLINE_GATHER
};

typedef struct view { /* what the innermost loop needs of a grid_field */
    const float *value;
    size_t       columns, line;
} view;

/* felt[0]: potentials, felt[1 + a]: slopes along axis a, of the points with grid coordinates g. */
NE_INLINE void gather_group(const view *from, const lanes *g, lanes *t, lanes *felt, int axes)
{
    const size_t columns         = from->columns;
    const float  step[GRID_AXES] = {axes == 1 ? 1 : (float)columns, axes == 2 ? 1 : (float)from->line, 1};
    float        w[2][WINDOW][LANES], d[2][WINDOW][LANES];
    int32_t      node[LANES];
    lanes        at = lanes_all(0), last[WINDOW], a[LANES], b0[LANES], b1[LANES];
    for (int axis = 0; axis < axes; axis++) {
        const lanes cell = lanes_floor(g[axis]);
        t[axis]          = g[axis] - cell - 0.5f;
        at += cell * step[axis]; /* exact: a grid has at most 2^24 nodes */
        if (axis < axes - 1) {
            spline_weights6(t[axis], last);
            for (int u = 0; u < WINDOW; u++) lanes_store(w[axis][u], last[u]);
            spline_slopes6(t[axis], last);
            for (int u = 0; u < WINDOW; u++) lanes_store(d[axis][u], last[u]);
        }
    }
    *(lanes_int *)node = __builtin_convertvector(at, lanes_int);
    for (int i = 0; i < LANES; i++) {
        const float *row = from->value + node[i];
        if (axes == 1) {
            a[i] = lanes_load(row);
        } else if (axes == 2) {
            lanes values = lanes_load_once(row), sum = values * w[0][0][i], slope = values * d[0][0][i];
            for (int u = 1; u < WINDOW; u++) {
                row += columns;
                values = lanes_load_once(row);
                sum += values * w[0][u][i];
                slope += values * d[0][u][i];
            }
            a[i]  = sum;
            b0[i] = slope;
        } else {
            a[i] = b0[i] = b1[i] = lanes_all(0);
            for (int u = 0; u < WINDOW; u++, row += columns) {
                lanes sum = lanes_all(0), slope = lanes_all(0);
                for (int v = 0; v < WINDOW; v++) {
                    const lanes values = lanes_load_once(row + (size_t)v * from->line);
                    sum += values * w[1][v][i];
                    slope += values * d[1][v][i];
                }
                a[i] += sum * w[0][u][i];
                b0[i] += sum * d[0][u][i];
                b1[i] += slope * w[0][u][i];
            }
        }
    }
    for (int axis = 0; axis <= axes; axis++) felt[axis] = lanes_all(0);
    lanes_transpose(a);
    if (axes > 1) lanes_transpose(b0);
    if (axes > 2) lanes_transpose(b1);
    spline_weights6(t[axes - 1], last);
    for (int u = 0; u < WINDOW; u++) {
        felt[0] += a[u] * last[u];
        if (axes > 1) felt[1] += b0[u] * last[u];
        if (axes > 2) felt[2] += b1[u] * last[u];
    }
    spline_slopes6(t[axes - 1], last);
    for (int u = 0; u < WINDOW; u++) felt[axes] += a[u] * last[u];
}

/* cos 2 pi t and sin 2 pi t of t in [-1/2, 1/2), to 2 and 1 percent: enough for a correction. */
NE_INLINE void wave(lanes t, lanes *cosine, lanes *sine)
{
    const lanes v = t * t;
    *cosine       = 1 + v * (-19.739f + v * (64.939f + v * (-85.457f + v * 60.245f)));
    *sine         = t * (1 - 4 * v) * (6.2832f - 15.2f * v);
}

NE_INLINE void ripple_remove(const grid_ripple *ripple, const lanes *t, lanes *felt, int axes)
{
    lanes cosine[GRID_AXES], sine[GRID_AXES], sum = lanes_all(0);
    for (int a = 0; a < axes; a++) {
        wave(t[a], &cosine[a], &sine[a]); /* t is counted from mid-cell here: both change sign */
        sum -= cosine[a];
    }
    felt[0] -= ripple->even[0] + ripple->even[1] * sum;
    for (int a = 0; a < axes; a++) felt[1 + a] += sine[a] * (ripple->odd[0] + ripple->odd[1] * (sum + cosine[a]));
}

/* Eight rows of z. */
NE_INLINE void gather_rows(const view *from, const grid_frame *frame, const grid_ripple *ripple, float factor,
                           const float *z, float *slope, lanes *potential, int axes)
{
    lanes g[GRID_AXES], t[GRID_AXES], felt[1 + GRID_AXES];
    for (int a = 0; a < axes; a++) {
        const float *p = z + a;
        const lanes  x = {p[0], p[axes], p[2 * axes], p[3 * axes], p[4 * axes], p[5 * axes], p[6 * axes], p[7 * axes]};
        g[a]           = (x - frame->centre[a]) * frame->scale + frame->origin[a];
    }
    gather_group(from, g, t, felt, axes);
    ripple_remove(ripple, t, felt, axes);
    *potential = felt[0];
    for (int a = 0; a < axes; a++) felt[1 + a] *= factor;
    if (axes == 2) {
        lanes_store(slope, __builtin_shufflevector(felt[1], felt[2], 0, 8, 1, 9, 2, 10, 3, 11));
        lanes_store(slope + LANES, __builtin_shufflevector(felt[1], felt[2], 4, 12, 5, 13, 6, 14, 7, 15));
    } else {
        for (int a = 0; a < axes; a++)
            for (int i = 0; i < LANES; i++) slope[i * axes + a] = felt[1 + a][i];
    }
}

NE_INLINE double gather_block(const view *from, const grid_frame *frame, const grid_ripple *ripple, float factor,
                              const float *z, size_t rows, float *slope, int axes)
{
    const size_t c = (size_t)axes, whole = rows / LANES * LANES, rest = rows - whole;
    lanes        potential, sum = lanes_all(0);
    double       total = 0;
    for (size_t i = 0; i < whole; i += LANES) {
        gather_rows(from, frame, ripple, factor, z + i * c, slope + i * c, &potential, axes);
        sum += potential;
    }
    for (size_t i = 0; i < LANES; i++) total += (double)sum[i];
    if (rest) { /* the last row, repeated, fills a group */
        float in[LANES * GRID_AXES], out[LANES * GRID_AXES];
        for (size_t i = 0; i < LANES; i++)
            memcpy(in + i * c, z + (i < rest ? whole + i : rows - 1) * c, c * sizeof *in);
        gather_rows(from, frame, ripple, factor, in, out, &potential, axes);
        memcpy(slope + whole * c, out, rest * c * sizeof *out);
        for (size_t i = 0; i < rest; i++) total += (double)potential[i];
    }
    return total;
}

NE_CLONES static double grid_gather_block(const view *from, const grid_frame *frame, const grid_ripple *ripple,
                                          float factor, const float *z, size_t rows, float *slope, int axes)
{
    return axes == 1   ? gather_block(from, frame, ripple, factor, z, rows, slope, 1)
           : axes == 2 ? gather_block(from, frame, ripple, factor, z, rows, slope, 2)
                       : gather_block(from, frame, ripple, factor, z, rows, slope, 3);
}

double grid_gather(const grid_field *grid, const grid_frame *frame, const grid_ripple *ripple, float factor,
                   const float *z, size_t rows, float *slope, double *sums)
{
    const view   from   = {grid->value, grid->columns, grid->line};
    const size_t blocks = (rows + GATHER_BLOCK - 1) / GATHER_BLOCK, c = (size_t)grid->axes;
    double       total = 0;
#pragma omp parallel for schedule(dynamic, 1) num_threads(grid->threads) if (blocks > 1)
    for (size_t b = 0; b < blocks; b++) {
        const size_t at = b * GATHER_BLOCK, left = rows - at;
        sums[b] = grid_gather_block(&from, frame, ripple, factor, z + at * c, left < GATHER_BLOCK ? left : GATHER_BLOCK,
                                    slope + at * c, grid->axes);
    }
    for (size_t b = 0; b < blocks; b++) total += sums[b];
    return total;
}
