/* methods/links.c: see links.h. The lists are a counting sort of the pairs by either end; forces go through a buffer of
 * differences, so that the arithmetic vectorises although the rows lie anywhere; two columns have a twin with AVX2. */
#include "methods/links.h"

#include "base/clones.h"
#include "cpu/x86/links_avx2.h"

#include <math.h>

enum {
    CHUNK = 64 /* links at a time */
};

void links_clear(ne_context *context, links *old)
{
    ne_release(context, old->start);
    ne_release(context, old->other);
    *old = (links){0};
}

ne_status links_join(ne_context *context, size_t n, size_t count, const int32_t *partner, const int32_t *place,
                     links *to)
{
    const size_t values  = n * count; /* partner holds as many: no overflow */
    links        made    = {.n = n};
    int64_t     *at      = ne_allocate(context, n + 1, sizeof *at);
    ne_status    st      = NE_OK;
    size_t       entries = 0;

    made.start = ne_allocate(context, n + 1, sizeof *made.start);
    if (!at || !made.start) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t e = 0; e < values; e++)
        if (partner[e] != NO_PARTNER) {
            made.start[e / count + 1]++;
            made.start[(size_t)place[partner[e]] + 1]++;
            entries += 2;
        }
    made.other = ne_allocate(context, entries ? entries : 1, sizeof *made.other);
    if (!made.other) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++) made.start[i + 1] += made.start[i];
    for (size_t i = 0; i < n; i++) at[i] = made.start[i];
    for (size_t e = 0; e < values; e++)
        if (partner[e] != NO_PARTNER) made.other[at[e / count]++] = place[partner[e]];
    for (size_t e = 0; e < values; e++)
        if (partner[e] != NO_PARTNER) made.other[at[place[partner[e]]]++] = (int32_t)(e / count);
    links_clear(context, to);
    *to  = made;
    made = (links){0};
done:
    links_clear(context, &made);
    ne_release(context, at);
    return st;
}

double links_bytes(double n, double count)
{
    return (n + 1) * sizeof(int64_t) + 2 * n * count * sizeof(int32_t);
}

double links_join_bytes(double n)
{
    return (n + 1) * sizeof(int64_t);
}

/* --- Forces ------------------------------------------------------------------------------------------------------ */

/* s becomes phi. */
NE_INLINE void plain_forces(size_t count, link_force by, float *restrict s)
{
#pragma omp simd
    for (size_t e = 0; e < count; e++) {
        const float below = by.shift + s[e];
        s[e]              = by.scale / (below * below);
    }
}

NE_INLINE void local_forces(size_t count, link_force by, float *restrict s)
{
#pragma omp simd
    for (size_t e = 0; e < count; e++) {
        const float below = by.shift + s[e];
        s[e]              = by.scale * by.reach / (below * below * sqrtf(1 + s[e]));
    }
}

NE_INLINE void forces_of(size_t count, link_force by, float *restrict s)
{
    if (by.reach > 0) local_forces(count, by, s);
    else plain_forces(count, by, s);
}

NE_CLONES static void links_pull_plane(const links *from, link_force by, const float *restrict z, size_t row0,
                                       size_t row1, int add, float *restrict f)
{
    float dx[CHUNK], dy[CHUNK], phi[CHUNK];
    for (size_t i = row0; i < row1; i++) {
        const float x = z[2 * i], y = z[2 * i + 1];
        float       fx = 0, fy = 0;
        for (int64_t e = from->start[i]; e < from->start[i + 1]; e += CHUNK) {
            const int64_t  left  = from->start[i + 1] - e;
            const size_t   count = left < CHUNK ? (size_t)left : CHUNK;
            const int32_t *other = from->other + e;
            for (size_t k = 0; k < count; k++) {
                dx[k] = x - z[2 * (size_t)other[k]];
                dy[k] = y - z[2 * (size_t)other[k] + 1];
            }
#pragma omp simd
            for (size_t k = 0; k < count; k++) phi[k] = dx[k] * dx[k] + dy[k] * dy[k];
            forces_of(count, by, phi);
#pragma omp simd reduction(+ : fx, fy)
            for (size_t k = 0; k < count; k++) {
                fx += phi[k] * dx[k];
                fy += phi[k] * dy[k];
            }
        }
        f[2 * i]     = fx + (add ? f[2 * i] : 0);
        f[2 * i + 1] = fy + (add ? f[2 * i + 1] : 0);
    }
}

NE_CLONES static void links_pull_space(const links *from, link_force by, size_t c, const float *restrict z, size_t row0,
                                       size_t row1, int add, float *restrict f)
{
    float phi[CHUNK];
    for (size_t i = row0; i < row1; i++) {
        const float *zi = z + i * c;
        float       *to = f + i * c;
        for (size_t d = 0; !add && d < c; d++) to[d] = 0;
        for (int64_t e = from->start[i]; e < from->start[i + 1]; e += CHUNK) {
            const int64_t  left  = from->start[i + 1] - e;
            const size_t   count = left < CHUNK ? (size_t)left : CHUNK;
            const int32_t *other = from->other + e;
            for (size_t k = 0; k < count; k++) {
                const float *zj = z + (size_t)other[k] * c;
                float        s  = 0;
                for (size_t d = 0; d < c; d++) s += (zi[d] - zj[d]) * (zi[d] - zj[d]);
                phi[k] = s;
            }
            forces_of(count, by, phi);
            for (size_t k = 0; k < count; k++) {
                const float *zj = z + (size_t)other[k] * c;
                for (size_t d = 0; d < c; d++) to[d] += phi[k] * (zi[d] - zj[d]);
            }
        }
    }
}

void links_pull(const links *from, link_force force, size_t c, const float *z, size_t row0, size_t row1, int add,
                float *f)
{
    if (c == 2 && links_avx2_usable())
        links_avx2_pull(from->start, from->other, force.scale, force.shift, force.reach, z, row0, row1, add, f);
    else if (c == 2) links_pull_plane(from, force, z, row0, row1, add, f);
    else links_pull_space(from, force, c, z, row0, row1, add, f);
}

double links_energy(const links *from, size_t c, const float *z, size_t row0, size_t row1,
                    double (*energy)(double s, double parameter), double parameter)
{
    double sum = 0;
    for (size_t i = row0; i < row1; i++)
        for (int64_t e = from->start[i]; e < from->start[i + 1]; e++) {
            const size_t j = (size_t)from->other[e];
            double       s = 0;
            for (size_t d = 0; d < c; d++) {
                const double t = (double)z[i * c + d] - (double)z[j * c + d];
                s += t * t;
            }
            sum += energy(s, parameter);
        }
    return sum / 2;
}
