/* affinity/builtin.c: see builtin.h. */
#include "affinity/builtin.h"

const affinity_builtin *affinity_builtin_of(const ne_affinity_ops *ops)
{
    static const affinity_builtin        none   = {0};
    static const affinity_builtin *const list[] = {&builtin_entropic,
                                                   &builtin_umap,
                                                   &builtin_pacmap,
                                                   &builtin_student,
                                                   &builtin_gaussian,
                                                   &builtin_normalized_gaussian,
                                                   &builtin_normalized_student,
                                                   &builtin_self_tuning,
                                                   &builtin_magic,
                                                   &builtin_scalar_product,
                                                   &builtin_symmetric_entropic,
                                                   &builtin_sinkhorn,
                                                   &builtin_phate};
    const affinity_builtin              *found  = &none;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i]->ops == ops) found = list[i];
    return found;
}
