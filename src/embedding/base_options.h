/* embedding/base_options.h: the options that every iterative method has. */
#ifndef NE_EMBEDDING_BASE_OPTIONS_H
#define NE_EMBEDDING_BASE_OPTIONS_H

#include "backend/backend.h"
#include "optim/schedule.h"

enum {
    INIT_PCA        = 0,
    INIT_RANDOM     = 1,
    INIT_ARRAY      = 2,
    INIT_SPECTRAL   = 3,
    INIT_HYPERBOLIC = 4,
    INIT_NORMAL     = 5 /* another word for random */
};
enum {
    DISTRIBUTED_AUTO  = 0,
    DISTRIBUTED_FALSE = 1,
    DISTRIBUTED_TRUE  = 2
};

typedef struct base_params {
    int64_t n_components, max_iter, check_interval, random_state, verbose, track_loss, reference;
    int64_t init, optimizer, gains, scheduler, repulsion;
    int64_t early_exaggeration_iter, nesterov, amsgrad, centered, process_duplicates, distributed, device, keep_data;
    double  lr, momentum, max_step, min_grad_norm, init_scaling;
    double  early_exaggeration_coeff, late_exaggeration_coeff, repulsion_strength, repulsion_accuracy;
    double  dampening, weight_decay, beta1, beta2, eps, alpha, lr_decay, initial_accumulator_value;
    double  scheduler_start_factor, scheduler_end_factor, scheduler_total_iters, scheduler_step_size, scheduler_gamma;
    double  scheduler_t_max, scheduler_eta_min;
} base_params;

/* What relates the options to each other. errors: NE_INVALID_ARGUMENT; NE_UNSUPPORTED: distributed. */
ne_status      base_check(const base_params *base);
schedule_rule  base_schedule(const base_params *base, size_t n);
optimizer_rule base_optimizer(const base_params *base);

extern const ne_option base_options[];
extern const size_t    base_option_count;
/* Other names for options, and options that are lists of others: TorchDR's. */
extern const option_names base_option_names;

#endif
