/* base/context.c: see context.h. The handle's own functions are in api/context.c. */
#include "base/context.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>

int context_threads_most(const ne_context *context)
{
    const int64_t asked = context->params.threads;
    return asked > 0 ? (int)asked : omp_get_max_threads();
}

int context_threads(const ne_context *context)
{
    return context->threads_now ? context->threads_now : context_threads_most(context);
}

void context_hold(ne_context *context)
{
    atomic_fetch_add(&context->holders, 1);
}

void context_release(ne_context *context)
{
    if (context && atomic_fetch_sub(&context->holders, 1) == 1) {
        const ne_allocator mem = context->memory;
        options_clear(&mem, &context->options);
        memory_free(&mem, context);
    }
}

void context_log(const ne_context *context, int level, const char *format, ...)
{
    if (context->log) {
        char    text[512];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        context->log(context->log_user, level, text);
    }
}

int progress_report(const progress *to, const char *phase, int64_t step, int64_t steps)
{
    return to && to->report ? to->report(to->user, phase, step, steps, __builtin_nan(""), __builtin_nan("")) : 0;
}
