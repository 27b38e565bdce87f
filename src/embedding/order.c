/* embedding/order.c: the working order of a fit: rows near each other in the layout are near each other in memory. */
#include "graph/order.h"

#include "embedding/embedding.h"

#include <math.h>
#include <string.h>

ne_status fit_sort(ne_context *context, fit *f)
{
    const ne_allocator *mem = &context->memory;
    loop_state         *s   = f->state;
    const size_t        n = f->n, c = f->c;
    int64_t            *order = memory_new(mem, n, sizeof *order), *old = memory_new(mem, n, sizeof *old);
    float              *copy      = memory_new(mem, n * c, sizeof *copy);
    float              *arrays[5] = {state_z(s), state_u(s), state_gains(s), state_second(s), state_third(s)};
    csr                 p = {0}, distances = {0};
    ne_status           st;

    context->backend->edges_free(context, f->edges);
    f->edges = NULL;
    if (!order || !old || !copy) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = order_morton(context, n, c, state_z(s), order)) != NE_OK) goto done;
    if (f->p.rows && (st = csr_permute(context, &f->p, order, &p)) != NE_OK) goto done;
    if (f->distances.rows && (st = csr_permute(context, &f->distances, order, &distances)) != NE_OK) goto done;
    for (int a = 0; a < 5; a++)
        if (arrays[a]) {
            memcpy(copy, arrays[a], n * c * sizeof *copy);
            for (size_t r = 0; r < n; r++)
                for (size_t k = 0; k < c; k++) arrays[a][r * c + k] = copy[(size_t)order[r] * c + k];
        }
    memcpy(old, state_order(s), n * sizeof *old);
    for (size_t r = 0; r < n; r++) state_order(s)[r] = old[order[r]];
    if (f->p.rows) {
        csr_clear(mem, &f->p);
        f->p      = p;
        p         = (csr){0};
        f->p_view = csr_view(&f->p);
    }
    if (f->distances.rows) {
        csr_clear(mem, &f->distances);
        f->distances      = distances;
        distances         = (csr){0};
        f->distances_view = csr_view(&f->distances);
    }
    for (size_t r = 0; f->place && r < n; r++) {
        f->circle[r]                = f->place[state_order(s)[r]];
        f->circle_row[f->circle[r]] = (int32_t)r;
    }
done:
    csr_clear(mem, &p);
    csr_clear(mem, &distances);
    memory_free(mem, order);
    memory_free(mem, old);
    memory_free(mem, copy);
    if (st == NE_OK && f->packs) st = context->backend->edges_pack(context, &f->p_view, c, &f->kernel, &f->edges);
    return st;
}

double fit_sort_bytes(double n, double c, double affinities, double distances)
{
    const double copies =
        (affinities > 0 ? csr_permute_bytes(n, affinities) : 0) + (distances > 0 ? csr_permute_bytes(n, distances) : 0);
    return n * (2 * sizeof(int64_t) + c * sizeof(float)) + fmax(order_morton_bytes(n), copies);
}
