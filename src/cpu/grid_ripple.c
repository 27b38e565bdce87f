/* cpu/grid_ripple.c: what a lone point feels of itself through the grid, see grid_points.h.
 *
 * The grid's answer to a unit at one node, G, is one convolution. A point with in-cell coordinates t spreads over
 * 4^axes nodes and gathers from 6^axes: it feels sum_uv w_u(t) G(u - v) w_v(t), here summed in double for the few t
 * that fix the harmonics. */
#include "cpu/grid_points.h"

enum {
    REACH = 5,
    SPAN  = 2 * REACH + 1
}; /* node offsets between the two windows: -4 .. 5 */

/* value[u], slope[u], u < order: the weight of node u on a point t past its cell's first node, by the recursion of Cox
 * and de Boor on M_k(x), the spline of order k on [0, k]: here M[j] = M_k(t + j), and node u has M[order - 1 - u]. */
static void weights_at(int order, double t, double *value, double *slope)
{
    double m[SPLINE_GATHER] = {1}, before[SPLINE_GATHER] = {0};
    for (int k = 2; k <= order; k++) {
        for (int j = 0; j < k; j++) before[j] = j < k - 1 ? m[j] : 0;
        for (int j = 0; j < k; j++) m[j] = ((t + j) * before[j] + (k - t - j) * (j ? before[j - 1] : 0)) / (k - 1);
    }
    for (int u = 0; u < order; u++) {
        const int j = order - 1 - u;
        value[u]    = m[j];
        slope[u]    = before[j] - (j ? before[j - 1] : 0);
    }
}

/* What a lone point at t feels: its potential or, if sloped, the slope along axis 0. */
static double felt_at(int axes, const double *answer, const double *t, int sloped)
{
    double pair[GRID_AXES][SPAN] = {{0}}, sum = 0; /* pair[a][d]: sum of w_u w_v with v - u = d along axis a */
    for (int a = 0; a < axes; a++) {
        double spread[SPLINE_SPREAD], gather[SPLINE_GATHER], slope[SPLINE_GATHER], unused[SPLINE_SPREAD];
        weights_at(SPLINE_SPREAD, t[a], spread, unused);
        weights_at(SPLINE_GATHER, t[a], gather, slope);
        for (int u = 0; u < SPLINE_SPREAD; u++)
            for (int v = 0; v < SPLINE_GATHER; v++)
                pair[a][v - (u + 1) + REACH] += spread[u] * (sloped && a == 0 ? slope[v] : gather[v]);
    }
    for (int i = 0; i < SPAN; i++)
        for (int j = 0; j < (axes > 1 ? SPAN : 1); j++)
            for (int k = 0; k < (axes > 2 ? SPAN : 1); k++)
                sum += answer[(i * SPAN + j) * SPAN + k] * pair[0][i] * (axes > 1 ? pair[1][j] : 1) *
                       (axes > 2 ? pair[2][k] : 1);
    return sum;
}

void grid_ripple_set(const grid_field *grid, grid_ripple *ripple)
{
    const int    axes                       = grid->axes;
    const size_t columns                    = grid->columns;
    double       answer[SPAN * SPAN * SPAN] = {0};
    size_t       centre                     = grid->nodes[0] / 2 * columns;
    if (axes == 2) centre += grid->nodes[1] / 2;
    if (axes == 3) centre += grid->nodes[1] / 2 * grid->line + grid->nodes[2] / 2;
    for (size_t i = 0; i < grid->nodes[0] * columns; i++) grid->value[i] = 0;
    grid->value[centre] = 1;
    grid_convolve(grid);
    for (int i = -REACH; i <= REACH; i++) {
        for (int j = -REACH; j <= (axes > 1 ? REACH : -REACH); j++) {
            for (int k = -REACH; k <= (axes > 2 ? REACH : -REACH); k++) {
                ptrdiff_t at = (ptrdiff_t)centre + i * (ptrdiff_t)columns;
                if (axes == 2) at += j;
                if (axes == 3) at += j * (ptrdiff_t)grid->line + k;
                answer[((i + REACH) * SPAN + j + REACH) * SPAN + k + REACH] = (double)grid->value[at];
            }
        }
    }
    const double corner[GRID_AXES] = {0}, middle[GRID_AXES] = {0.5, 0.5, 0.5}, others = axes > 1 ? axes - 1 : 1;
    const double side[GRID_AXES] = {0.25, 0, 0}, across[GRID_AXES] = {0.25, 0.5, 0.5};
    const double high = felt_at(axes, answer, corner, 0), low = felt_at(axes, answer, middle, 0);
    const double first = felt_at(axes, answer, side, 1), second = felt_at(axes, answer, across, 1);
    ripple->even[0] = (float)((high + low) / 2);
    ripple->even[1] = (float)((high - low) / 2 / axes);
    ripple->odd[0]  = (float)((first + second) / 2);
    ripple->odd[1]  = (float)((first - second) / 2 / others);
}
