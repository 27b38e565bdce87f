/* affinity/cg.c: see cg.h. */
#include "affinity/cg.h"

#include <math.h>
#include <string.h>

double cg_dot(size_t count, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

ne_status cg_solve(const cg_system *system, const double *b, double tolerance, int most, double *x)
{
    const size_t n = system->count;
    double      *r = system->work, *z = r + n, *p = z + n, *q = p + n;
    ne_status    st = NE_OK;

    memset(x, 0, n * sizeof *x);
    memcpy(r, b, n * sizeof *r);
    system->precondition(system->user, r, z);
    memcpy(p, z, n * sizeof *p);
    double       rz   = cg_dot(n, r, z);
    const double stop = tolerance * tolerance * rz;
    for (int t = 0; t < most && rz > stop && rz > 0; t++) {
        if ((st = system->product(system->user, p, q)) != NE_OK) break;
        const double curvature = cg_dot(n, p, q);
        if (!(curvature > 0)) {
            if (t == 0) memcpy(x, z, n * sizeof *x);
            break;
        }
        const double step = rz / curvature;
        for (size_t i = 0; i < n; i++) {
            x[i] += step * p[i];
            r[i] -= step * q[i];
        }
        system->precondition(system->user, r, z);
        const double next = cg_dot(n, r, z), ratio = next / rz;
        for (size_t i = 0; i < n; i++) p[i] = z[i] + ratio * p[i];
        rz = next;
    }
    return st;
}
