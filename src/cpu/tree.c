/* cpu/tree.c: see tree.h. Points along the curve, then the cells from the root down, then their moments from the leaves
 * up.
 *
 * The children of a cell are the runs of equal next digits in the sorted keys, found by bisection. Any curve that
 * visits a cell before it leaves it would do; Hilbert's saves repulse_tree a fifth of its time against Morton's. */
#include "cpu/tree.h"

#include <math.h>
#include <string.h>

enum {
    NODES = 1024 /* nodes of a depth that it is worth waking another thread for */
};

/* --- Memory. */

void tree_clear(ne_context *context, tree *of)
{
    const ne_allocator *mem = &context->memory;
    for (int k = 0; k < 3; k++) memory_free(mem, of->x[k]);
    curve_clear(context, &of->curve);
    memory_free(mem, of->node);
    memory_free(mem, of->moments);
    *of = (tree){0};
}

static ne_status reserve_points(ne_context *context, tree *to, size_t n, size_t c)
{
    const ne_allocator *mem    = &context->memory;
    ne_status           status = NE_OK;
    if (n > to->capacity || c != to->c) {
        tree_clear(context, to);
        int ok = 1;
        for (size_t k = 0; k < c; k++) ok &= (to->x[k] = memory_zero(mem, n + TREE_PAD, sizeof **to->x)) != NULL;
        if (ok) {
            to->capacity = n;
            to->c        = c;
        } else {
            status = NE_OUT_OF_MEMORY;
        }
    }
    to->n = n;
    return status;
}

static ne_status reserve_nodes(ne_context *context, tree *to, size_t count)
{
    const ne_allocator *mem    = &context->memory;
    ne_status           status = NE_OK;
    if (count > to->node_capacity) {
        const size_t  capacity = count + count / 2 + 256;
        tree_node    *node     = memory_new(mem, capacity, sizeof *node);
        tree_moments *moments  = memory_new(mem, capacity, sizeof *moments);
        if (node && moments) {
            if (to->nodes) memcpy(node, to->node, to->nodes * sizeof *node); /* the others are filled at the end */
            memory_free(mem, to->node);
            memory_free(mem, to->moments);
            to->node          = node;
            to->moments       = moments;
            to->node_capacity = capacity;
        } else {
            memory_free(mem, node);
            memory_free(mem, moments);
            status = NE_OUT_OF_MEMORY;
        }
    }
    return status;
}

/* The curve, then the points along it. */
static ne_status sort_points(ne_context *context, tree *to, const float *z, double width)
{
    const size_t n = to->n, c = to->c;
    const box    around = box_of(context, n, c, z);
    ne_status    status = NE_OK;

    to->finite = around.finite;
    if (around.finite) status = curve_sort(context, &to->curve, n, c, z, &around, width);
    if (around.finite && status == NE_OK) {
        const uint32_t *order = to->curve.order;
        for (size_t k = 0; k < c; k++) to->origin[k] = z[order[n / 2] * c + k];
#pragma omp parallel for schedule(static) num_threads(curve_threads(context, n))
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < c; k++) to->x[k][i] = z[order[i] * c + k] - to->origin[k];
    }
    return status;
}

/* --- Cells. */

/* The first place in [first, last) whose key is at least `bound`, or last. */
static uint32_t key_bound(const uint64_t *key, uint32_t first, uint32_t last, uint64_t bound)
{
    while (first < last) {
        const uint32_t middle = first + (last - first) / 2;
        if (key[middle] < bound) first = middle + 1;
        else last = middle;
    }
    return first;
}

/* The children of a node, into `to` if that is not NULL; returns their number, 0 for a leaf. The digit that parts
 * them is the highest in which the node's first and last key differ. */
static uint32_t split_node(const tree *of, const tree_node *node, size_t leaf, tree_node *to)
{
    const uint64_t *key      = of->curve.key;
    const uint64_t  differ   = key[node->first] ^ key[node->last - 1];
    uint32_t        children = 0;
    if (node->last - node->first > leaf && differ) {
        const int c = (int)of->c, shift = (63 - __builtin_clzll(differ)) / c * c;
        for (uint32_t first = node->first, next; first < node->last; first = next) {
            next = key_bound(key, first + 1, node->last, ((key[first] >> shift) + 1) << shift);
            if (to) to[children] = (tree_node){.first = first, .last = next};
            children++;
        }
    }
    return children;
}

/* second: sum of d d^T; reach: what holds all points. */
static void set_sums(tree *of, size_t id, double count, const double *second, double reach)
{
    const double  trace = second[0] + (of->c == 2 ? second[2] : second[3] + second[5]);
    tree_moments *to    = &of->moments[id];
    to->weight          = (float)count;
    to->trace           = (float)trace;
    for (int k = 0; k < 6; k++) to->second[k] = (float)(2 * second[k]);
    of->node[id].radius = (float)sqrt(fmax(reach * reach, 3 * trace / count));
}

static void sum_points(tree *of, size_t id)
{
    tree_node   *node      = &of->node[id];
    const size_t c         = of->c;
    const double count     = (double)(node->last - node->first);
    double       second[6] = {0}, farthest = 0;

    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (uint32_t i = node->first; i < node->last; i++) sum += (double)of->x[k][i];
        node->center[k] = (float)(sum / count);
    }
    for (uint32_t i = node->first; i < node->last; i++) {
        double d[3], square = 0;
        int    entry = 0;
        for (size_t k = 0; k < c; k++) {
            d[k] = (double)of->x[k][i] - (double)node->center[k];
            square += d[k] * d[k];
        }
        for (size_t k = 0; k < c; k++)
            for (size_t l = k; l < c; l++) second[entry++] += d[k] * d[l];
        farthest = square > farthest ? square : farthest;
    }
    set_sums(of, id, count, second, sqrt(farthest));
}

/* From the children: second moments add up after a move of each to the common center (the parallel axis theorem). */
static void sum_children(tree *of, size_t id)
{
    tree_node          *node      = &of->node[id];
    const tree_node    *child     = of->node + node->child;
    const tree_moments *part      = of->moments + node->child;
    const size_t        c         = of->c;
    const double        count     = (double)(node->last - node->first);
    double              second[6] = {0}, reach = 0;

    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < node->children; i++) sum += (double)part[i].weight * (double)child[i].center[k];
        node->center[k] = (float)(sum / count);
    }
    for (uint32_t i = 0; i < node->children; i++) {
        double d[3], square = 0;
        int    entry = 0;
        for (size_t k = 0; k < c; k++) {
            d[k] = (double)child[i].center[k] - (double)node->center[k];
            square += d[k] * d[k];
        }
        for (size_t k = 0; k < c; k++)
            for (size_t l = k; l < c; l++, entry++)
                second[entry] += 0.5 * (double)part[i].second[entry] + (double)part[i].weight * d[k] * d[l];
        reach = fmax(reach, sqrt(square) + (double)child[i].radius);
    }
    set_sums(of, id, count, second, reach);
}

ne_status tree_build(ne_context *context, tree *to, size_t n, size_t c, const float *z, size_t leaf, double width)
{
    size_t    depth_first[72], depths = 0; /* no more depths than bits in a key */
    ne_status status = reserve_points(context, to, n, c);

    if (status == NE_OK) status = sort_points(context, to, z, width);
    to->nodes = 0;
    if (status == NE_OK) status = reserve_nodes(context, to, 1);
    if (status != NE_OK || !to->finite) goto done;

    to->nodes      = 1;
    to->node[0]    = (tree_node){.first = 0, .last = (uint32_t)n};
    depth_first[0] = 0;
    for (depths = 1; depth_first[depths - 1] < to->nodes; depths++) {
        const size_t first = depth_first[depths - 1], last = to->nodes;
        const int    threads = last - first < NODES ? 1 : curve_threads(context, n);
        size_t       next    = last;
        depth_first[depths]  = last;
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t i = first; i < last; i++) to->node[i].children = split_node(to, &to->node[i], leaf, NULL);
        for (size_t i = first; i < last; i++) {
            to->node[i].child = to->node[i].children ? (uint32_t)next : 0;
            next += to->node[i].children;
        }
        status = reserve_nodes(context, to, next);
        if (status != NE_OK) goto done;
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t i = first; i < last; i++) split_node(to, &to->node[i], leaf, to->node + to->node[i].child);
        to->nodes = next;
    }
    for (size_t depth = depths - 1; depth-- > 0;) {
        const size_t first = depth_first[depth], last = depth_first[depth + 1];
        const int    threads = last - first < NODES ? 1 : curve_threads(context, n);
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
        for (size_t i = first; i < last; i++) {
            if (to->node[i].children) sum_children(to, i);
            else sum_points(to, i);
        }
    }
done:
    return status;
}

double tree_bytes(double n, double c)
{
    const double sorted = 2 * sizeof(uint32_t) + 2 * sizeof(uint64_t); /* order and keys, twice */
    return n * (c * sizeof(float) + sorted + 0.5 * (sizeof(tree_node) + sizeof(tree_moments)));
}
