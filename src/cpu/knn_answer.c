/* cpu/knn_answer.c: see knn_answer.h. */
#include "cpu/knn_answer.h"

ne_status knn_answer_create(ne_context *context, const knn_distinct *distinct, size_t k, knn_answer *made)
{
    const ne_allocator *mem    = &context->memory;
    const int           copies = distinct->first != NULL;
    *made                      = (knn_answer){.distinct  = distinct,
                                              .k         = k,
                                              .near_k    = copies && k + 1 > distinct->count ? distinct->count : k + (size_t)copies,
                                              .skip_self = !copies};
    made->index                = memory_new(mem, distinct->rows, k * sizeof *made->index);
    made->distance             = memory_new(mem, distinct->rows, k * sizeof *made->distance);
    made->near_index           = made->index;
    made->near_distance        = made->distance;
    if (copies) {
        made->near_index    = memory_new(mem, distinct->count, made->near_k * sizeof *made->near_index);
        made->near_distance = memory_new(mem, distinct->count, made->near_k * sizeof *made->near_distance);
    }
    return made->index && made->distance && made->near_index && made->near_distance ? NE_OK : NE_OUT_OF_MEMORY;
}

void knn_answer_give(const ne_context *context, knn_answer *from, double recall, int exact, knn_result *result)
{
    if (from->near_index != from->index) {
        knn_distinct_spread(context, from->distinct, from->near_k, from->near_index, from->near_distance, from->k,
                            from->index, from->distance);
    } else {
        from->near_index    = NULL;
        from->near_distance = NULL;
    }
    *result        = (knn_result){.index = from->index, .distance = from->distance, .recall = recall, .exact = exact};
    from->index    = NULL;
    from->distance = NULL;
}

void knn_answer_clear(const ne_allocator *mem, knn_answer *with)
{
    if (with->near_index != with->index) memory_free(mem, with->near_index);
    if (with->near_distance != with->distance) memory_free(mem, with->near_distance);
    memory_free(mem, with->index);
    memory_free(mem, with->distance);
    *with = (knn_answer){0};
}
