/* embedding/base_options.h: the options that every iterative method has. */
#ifndef NE_EMBEDDING_BASE_OPTIONS_H
#define NE_EMBEDDING_BASE_OPTIONS_H

#include "ne.h"

enum {
    INIT_PCA    = 0,
    INIT_RANDOM = 1,
    INIT_ARRAY  = 2
};
enum {
    SCHEDULER_NONE   = 0,
    SCHEDULER_LINEAR = 1
};

typedef struct base_params {
    int64_t n_components, max_iter, check_interval, random_state, verbose, track_loss, reference;
    int64_t init, optimizer, gains, scheduler, repulsion;
    int64_t early_exaggeration_iter;
    double  lr, momentum, max_step, min_grad_norm, init_scaling;
    double  early_exaggeration_coeff, late_exaggeration_coeff, repulsion_strength, repulsion_accuracy;
} base_params;

extern const ne_option base_options[];
extern const size_t    base_option_count;

#endif
