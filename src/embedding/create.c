/* embedding/create.c: an embedding object from its registered type. */
#include "base/registry.h"
#include "embedding/embedding.h"

#include <string.h>

/* The options of an affinity that the type names, with a parameter block for them. */
static ne_status add_affinity(ne_embedding *e, const char *name, const ne_affinity_ops **ops, void **params)
{
    ne_status st = NE_OK;
    if (name) {
        *ops = registry_find(REGISTRY_AFFINITY, name);
        if (!*ops) return NE_UNKNOWN_NAME;
        *params = memory_zero(&e->context->memory, 1, (*ops)->params_size);
        st      = !*params ? NE_OUT_OF_MEMORY
                           : options_add(&e->context->memory, &e->options, (*ops)->name, (*ops)->options,
                                         (*ops)->option_count, (*ops)->option_size, *params);
    }
    return st;
}

ne_status embedding_new(ne_context *context, const ne_method_ops *ops, ne_embedding **embedding)
{
    const ne_allocator *mem  = &context->memory;
    ne_status           st   = NE_OK;
    ne_embedding       *made = memory_zero(mem, 1, sizeof *made);

    if (!made) return NE_OUT_OF_MEMORY;
    made->context = context;
    made->ops     = ops;
    context_hold(context);
    made->options.presets      = ops->presets;
    made->options.preset_count = ops->preset_count;
    made->params.method        = memory_zero(mem, 1, ops->params_size);
    if (!made->params.method) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = options_add(mem, &made->options, ops->name, ops->options, ops->option_count, ops->option_size,
                          made->params.method)) != NE_OK)
        goto done;
    if (!ops->fit) {
        if ((st = add_affinity(made, ops->affinity_in, &made->input, &made->params.input)) != NE_OK) goto done;
        if ((st = add_affinity(made, ops->affinity_out, &made->output, &made->params.output)) != NE_OK) goto done;
        if (ops->affinity_in && (st = options_add(mem, &made->options, "k-NN", knn_options, knn_option_count,
                                                  sizeof(ne_option), &made->knn)) != NE_OK)
            goto done;
        if ((st = options_add(mem, &made->options, "neighbor embedding", base_options, base_option_count,
                              sizeof(ne_option), &made->base)) != NE_OK)
            goto done;
    }
    st = options_reset(&made->options);
done:
    if (st == NE_OK) *embedding = made;
    else embedding_free(made);
    return st;
}

void fit_free(ne_context *context, const ne_method_ops *ops, fit *old)
{
    const ne_allocator *mem = &context->memory;
    if (old) {
        if (old->state && ops->clear) ops->clear(context, state_method(old->state));
        if (old->repulse) context->backend->repulsion_free(context, old->repulse);
        csr_clear(mem, &old->p);
        memory_free(mem, old->bandwidth);
        memory_free(mem, old->attraction);
        memory_free(mem, old->repulsion);
        memory_free(mem, old->state);
        memory_free(mem, old);
    }
}

void embedding_free(ne_embedding *embedding)
{
    if (embedding) {
        ne_context         *context = embedding->context;
        const ne_allocator *mem     = &context->memory;
        fit_free(context, embedding->ops, embedding->fit);
        if (embedding->model && embedding->ops->clear) embedding->ops->clear(context, embedding->model);
        memory_free(mem, embedding->model);
        memory_free(mem, embedding->params.method);
        memory_free(mem, embedding->params.input);
        memory_free(mem, embedding->params.output);
        memory_free(mem, embedding->init);
        options_clear(mem, &embedding->options);
        memory_free(mem, embedding);
        context_release(context);
    }
}
