/* cpu/tree_sums.c: see tree_sums.h. One body for each sum (expansion.h), built for two and three columns, for nu = 1
 * and any nu, and for each instruction set. */
#include "cpu/tree_sums.h"

#include "base/clones.h"

#include <string.h>

NE_CLONES static void tree_add_far(int form, int c, const kernel_numbers *by, far_cells *cells, local_series *to)
{
    if (c == 2 && form == FORM_CAUCHY) add_far_cells(FORM_CAUCHY, 2, by, cells, to);
    else if (c == 2) add_far_cells(FORM_STUDENT, 2, by, cells, to);
    else if (form == FORM_CAUCHY) add_far_cells(FORM_CAUCHY, 3, by, cells, to);
    else add_far_cells(FORM_STUDENT, 3, by, cells, to);
}

NE_INLINE void add_near(int form, int c, const kernel_numbers *by, const tree *of, uint32_t first, uint32_t last,
                        tree_sums *sums)
{
    const float *const x[3] = {of->x[0], of->x[1], of->x[2]};
    for (uint32_t v = 0; first + v < last; v += LANES) {
        lanes z[3], potential = lanes_load(sums->potential + v), force[3];
        for (int k = 0; k < c; k++) {
            z[k]     = lanes_load(x[k] + first + v);
            force[k] = lanes_load(sums->force[k] + v);
        }
        for (size_t i = 0; i < sums->near_count; i++)
            add_cell(form, c, by, z, of->node + sums->near[i], of->moments + sums->near[i], &potential, force);
        for (size_t i = 0; i < sums->leaf_count; i++) {
            const tree_node *leaf = of->node + sums->leaf[i];
            for (size_t j = leaf->first; j < leaf->last; j++)
                add_point(form, c, by, z, x, j, j - first - v, &potential, force);
        }
        lanes_store(sums->potential + v, potential);
        for (int k = 0; k < c; k++) lanes_store(sums->force[k] + v, force[k]);
    }
}

NE_CLONES static void tree_add_near(int form, const kernel_numbers *by, const tree *of, uint32_t first, uint32_t last,
                                    tree_sums *sums)
{
    if (of->c == 2 && form == FORM_CAUCHY) add_near(FORM_CAUCHY, 2, by, of, first, last, sums);
    else if (of->c == 2) add_near(FORM_STUDENT, 2, by, of, first, last, sums);
    else if (form == FORM_CAUCHY) add_near(FORM_CAUCHY, 3, by, of, first, last, sums);
    else add_near(FORM_STUDENT, 3, by, of, first, last, sums);
}

NE_INLINE void add_polynomial(int c, const tree *of, uint32_t first, uint32_t last, tree_sums *sums)
{
    for (uint32_t v = 0; first + v < last; v += LANES) {
        lanes z[3], potential = lanes_load(sums->potential + v), force[3];
        for (int k = 0; k < c; k++) {
            z[k]     = lanes_load(of->x[k] + first + v);
            force[k] = lanes_load(sums->force[k] + v);
        }
        add_series(c, &sums->series, z, &potential, force);
        lanes_store(sums->potential + v, potential);
        for (int k = 0; k < c; k++) lanes_store(sums->force[k] + v, force[k]);
    }
}

NE_CLONES static void tree_add_polynomial(const tree *of, uint32_t first, uint32_t last, tree_sums *sums)
{
    if (of->c == 2) add_polynomial(2, of, first, last, sums);
    else add_polynomial(3, of, first, last, sums);
}

static int form_of(const kernel_numbers *by)
{
    return by->nu == 1.0f ? FORM_CAUCHY : FORM_STUDENT;
}

void tree_sums_add_far(int c, const kernel_numbers *by, tree_sums *sums)
{
    if (sums->far.count) {
        tree_add_far(form_of(by), c, by, &sums->far, &sums->series);
        sums->series.used = 1;
        sums->far.count   = 0;
    }
}

void tree_sums_add_near(const tree *of, const kernel_numbers *by, uint32_t first, uint32_t last, tree_sums *sums)
{
    tree_add_near(form_of(by), by, of, first, last, sums);
    sums->near_count = sums->leaf_count = 0;
}

void tree_sums_add_series(const tree *of, uint32_t first, uint32_t last, tree_sums *sums)
{
    if (sums->series.used) tree_add_polynomial(of, first, last, sums);
}

void tree_sums_shift(int c, tree_sums *sums, const float *middle)
{
    if (!sums->series.used) memcpy(sums->series.middle, middle, sizeof sums->series.middle);
    else if (c == 2) shift_series(2, &sums->series, middle);
    else shift_series(3, &sums->series, middle);
}
