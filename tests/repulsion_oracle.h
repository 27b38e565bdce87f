/* tests/repulsion_oracle.h: layouts of several kinds, and their exact repulsion, for the tests of the grid and of the
 * choice between ways. */
#ifndef NE_TESTS_REPULSION_ORACLE_H
#define NE_TESTS_REPULSION_ORACLE_H

#include "backend/backend.h"
#include "data.h"

#include <math.h>
#include <string.h>

typedef enum oracle_layout {
    ORACLE_UNIFORM    = 0,
    ORACLE_CLUSTERS   = 1, /* twelve, of very different width */
    ORACLE_DUPLICATES = 2, /* clusters, and a third of the points in seven spots */
    ORACLE_OUTLIER    = 3, /* clusters in a tenth of the extent, and one point far away */
    ORACLE_LAYOUTS    = 4
} oracle_layout;

/* n x c, within a cube of side `extent` around `middle` in every column. */
static inline void oracle_layout_make(float *z, size_t n, size_t c, oracle_layout kind, double extent, double middle)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < c; j++) {
            uint64_t own = 77 + i * 1000033 + j * 7919, centre = 5 + i % 12 * 104729 + j * 31;
            for (int warm = 0; warm < 4; warm++) {
                data_unit(&own);
                data_unit(&centre);
            }
            const double width = 0.003 + 0.06 * pow((double)(i % 12) / 12, 2);
            double       x     = data_unit(&own) - 0.5;
            if (kind != ORACLE_UNIFORM) x = 0.8 * (data_unit(&centre) - 0.5) + width * data_normal(&own);
            if (kind == ORACLE_DUPLICATES && i % 3 == 0) x = 0.1 * (double)((i % 7) * (j + 2) % 8) - 0.35;
            if (kind == ORACLE_OUTLIER) x = i ? 0.1 * x - 0.4 : 0.5;
            x            = x < -0.5 ? -0.5 : x > 0.5 ? 0.5 : x;
            z[i * c + j] = (float)(middle + extent * x);
        }
    }
}

/* Forces of rows [row0, row1) and their normaliser by double loops, from the formulas of backend.h. */
static inline double oracle_repulsion(size_t n, size_t c, const output_kernel *kernel, const float *z, size_t row0,
                                      size_t row1, double *f)
{
    const double shape = kernel->shape;
    double       total = 0;
    memset(f, 0, n * c * sizeof *f);
    for (size_t i = row0; i < row1; i++) {
        for (size_t l = 0; l < n; l++) {
            double s = 0, q, w;
            if (l == i) continue;
            for (size_t j = 0; j < c; j++) s += pow((double)z[i * c + j] - (double)z[l * c + j], 2);
            if (kernel->kind == KERNEL_STUDENT) {
                q = shape == 1 ? 1 / (1 + s) : pow(1 + s / shape, -(shape + 1) / 2);
                w = (shape + 1) / (2 * shape) / (1 + s / shape);
            } else {
                q = exp(-s / shape);
                w = 1 / shape;
            }
            total += q;
            for (size_t j = 0; j < c; j++) f[i * c + j] += q * w * ((double)z[i * c + j] - (double)z[l * c + j]);
        }
    }
    return total;
}

/* Relative L2 error over rows [row0, row1), absolute when the exact forces are zero; NaN when any force is. */
static inline double oracle_error(size_t c, size_t row0, size_t row1, const float *f, const double *exact)
{
    double wrong = 0, all = 0;
    for (size_t i = row0 * c; i < row1 * c; i++) {
        wrong += pow((double)f[i] - exact[i], 2);
        all += exact[i] * exact[i];
    }
    return all > 0 ? sqrt(wrong / all) : sqrt(wrong);
}

#endif
