/* methods/circle_links.c: see circle_links.h. */
#include "methods/circle_links.h"

#include "base/clones.h"
#include "cpu/lanes.h"

enum {
    LEAST  = 4096, /* rows: fewer of them fit the nearest cache wherever they lie, */
    SHARE  = 16,   /* and of many a row is linked to this part at most, so that rotations are soon drawn */
    PLACES = 256
};

int circle_links_pay(const ne_problem *problem, size_t count)
{
    return problem->c == 2 && problem->n >= LEAST && count > 0 && count <= problem->n / SHARE;
}

void circle_links_clear(ne_context *context, circle_links *old)
{
    ne_release(context, old->offset);
    ne_release(context, old->z);
    ne_release(context, old->f);
    links_clear(context, &old->struck);
    links_clear(context, &old->mended);
    *old = (circle_links){0};
}

ne_status circle_links_make(const ne_problem *problem, size_t count, circle_links *to)
{
    const size_t n    = problem->n;
    circle_links made = {.n = n, .count = count, .stride = 2 * n + PLACES};
    made.offset       = ne_allocate(problem->context, 2 * count, sizeof *made.offset);
    made.z            = ne_allocate(problem->context, made.stride, 2 * sizeof *made.z);
    made.f            = ne_allocate(problem->context, n + PLACES, 2 * sizeof *made.f);
    if (!made.offset || !made.z || !made.f) {
        circle_links_clear(problem->context, &made);
        return NE_OUT_OF_MEMORY;
    }
    for (size_t s = 0, draws = 0; s < count; draws++) {
        const uint32_t rotation = ne_draw_rotation(problem, UINT32_MAX, (uint32_t)draws);
        size_t         before   = 0;
        while (before < s && made.offset[before] != rotation) before++;
        if (before == s) made.offset[s++] = rotation;
    }
    for (size_t s = 0; s < count; s++) made.offset[count + s] = (uint32_t)n - made.offset[s];
    *to = made;
    return NE_OK;
}

ne_status circle_links_mend(const ne_problem *problem, const int32_t *partner, const int32_t *place, circle_links *on)
{
    const size_t n = on->n, count = on->count;
    int32_t     *struck = NULL, *mended = NULL;
    size_t       most = 0; /* of a row's partners are not those of the circle */
    ne_status    st   = NE_OK;

#pragma omp parallel for schedule(static) num_threads(problem->threads) reduction(max : most)
    for (size_t i = 0; i < n; i++) {
        size_t other = 0;
        for (size_t s = 0; s < count; s++) other += circle_links_partner(on, problem, i, s) != partner[i * count + s];
        most = other > most ? other : most;
    }
    if (most == 0) return NE_OK;
    struck = ne_allocate(problem->context, n, most * sizeof *struck);
    mended = ne_allocate(problem->context, n, most * sizeof *mended);
    if (!struck || !mended) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(problem->threads)
    for (size_t i = 0; i < n; i++) {
        size_t at = i * most;
        for (size_t s = 0; s < count; s++) {
            const int32_t given = circle_links_partner(on, problem, i, s), want = partner[i * count + s];
            if (given != want) {
                struck[at]   = given;
                mended[at++] = want;
            }
        }
        for (; at < (i + 1) * most; at++) struck[at] = mended[at] = NO_PARTNER;
    }
    st = links_join(problem->context, n, most, struck, place, &on->struck);
    if (st == NE_OK) st = links_join(problem->context, n, most, mended, place, &on->mended);
done:
    ne_release(problem->context, struck);
    ne_release(problem->context, mended);
    return st;
}

/* PLACES places: all their links. */
NE_CLONES static void circle_links_block(const float *restrict x, const float *restrict y, size_t count,
                                         const uint32_t *restrict offset, link_force by, float *restrict fx,
                                         float *restrict fy)
{
    for (size_t r = 0; r < PLACES; r += LANES) {
        const lanes own_x = lanes_load(x + r), own_y = lanes_load(y + r);
        lanes       sum_x = lanes_all(0), sum_y = lanes_all(0);
        for (size_t t = 0; t < count; t++) {
            const lanes dx = own_x - lanes_load(x + r + offset[t]), dy = own_y - lanes_load(y + r + offset[t]);
            const lanes below = by.shift + (dx * dx + dy * dy), phi = by.scale / (below * below);
            sum_x += phi * dx;
            sum_y += phi * dy;
        }
        lanes_store(fx + r, sum_x);
        lanes_store(fy + r, sum_y);
    }
}

void circle_links_pull(const ne_problem *problem, link_force force, const float *z, circle_links *on)
{
    const size_t n = on->n;
    float       *x = on->z, *y = on->z + on->stride, *fx = on->f, *fy = on->f + n + PLACES;
#pragma omp parallel num_threads(problem->threads)
    {
#pragma omp for schedule(static)
        for (size_t a = 0; a < n; a++) {
            const float *from = z + 2 * (size_t)problem->circle_row[a];
            x[a] = x[n + a] = from[0];
            y[a] = y[n + a] = from[1];
        }
#pragma omp for schedule(dynamic, 4)
        for (size_t a = 0; a < n; a += PLACES)
            circle_links_block(x + a, y + a, 2 * on->count, on->offset, force, fx + a, fy + a);
    }
}

void circle_links_read(const ne_problem *problem, link_force force, const circle_links *on, const float *z, size_t row0,
                       size_t row1, float *f)
{
    const float *fx = on->f, *fy = on->f + on->n + PLACES;
    for (size_t i = row0; i < row1; i++) {
        f[2 * i]     = fx[problem->circle[i]];
        f[2 * i + 1] = fy[problem->circle[i]];
    }
    if (!on->struck.n) return;
    links_pull(&on->struck, (link_force){-force.scale, force.shift, 0}, 2, z, row0, row1, 1, f);
    links_pull(&on->mended, force, 2, z, row0, row1, 1, f);
}

double circle_links_bytes(double n, double count)
{
    return 2 * count * sizeof(uint32_t) + (2 * n + PLACES) * 2 * sizeof(float) + (n + PLACES) * 2 * sizeof(float);
}
