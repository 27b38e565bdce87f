/* tests/test_oracle_methods.c: every method against TorchDR's numbers (oracle/methods_torchdr.py wrote them): under
 * reference=torchdr the objective and its gradient at the start, and the layout after ten steps, with the same random draws
 * on both sides. */
#include "embedding/check.h"
#include "oracle/methods_torchdr.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static double near_0[METHODS_LARGE * 2]; /* a fifth of methods_start */

typedef struct oracle_case {
    const char   *label, *method, *options; /* name value, name value, ... */
    size_t        n;
    double        x_scale;
    const double *start;
    double        loss; /* NAN: TorchDR has no objective, only a gradient */
    const double *gradient, *end;
} oracle_case;

#define SMALL METHODS_SMALL, 1, methods_start
#define LARGE METHODS_LARGE, 1, methods_start
#define BALL  METHODS_SMALL, METHODS_COSNE_SCALE, methods_ball

static const oracle_case cases[] = {
    {"sne", "sne", "perplexity 9, lr 4", SMALL, METHODS_SNE_LOSS, sne_gradient, sne_end},
    {"tsne", "tsne", "perplexity 9, early_exaggeration_iter 4", SMALL, METHODS_TSNE_LOSS, tsne_gradient, tsne_end},
    {"cosne", "cosne", "perplexity 9, lr 0.05, init hyperbolic", BALL, METHODS_COSNE_LOSS, cosne_gradient, cosne_end},
    {"cosne, from an array", "cosne", "perplexity 9, lr 0.01", BALL, METHODS_COSNE_ARRAY_LOSS, cosne_array_gradient,
     cosne_array_end},
    {"tsnekhorn", "tsnekhorn", "perplexity 9, min_grad_norm 0, tol_affinity 1e-6", SMALL, METHODS_TSNEKHORN_LOSS,
     tsnekhorn_gradient, tsnekhorn_end},
    {"tsnekhorn, unrolling", "tsnekhorn", "perplexity 9, min_grad_norm 0, tol_affinity 1e-6, unrolling true", SMALL,
     METHODS_TSNEKHORN_UNROLLING_LOSS, tsnekhorn_unrolling_gradient, tsnekhorn_unrolling_end},
    {"infotsne", "infotsne", "perplexity 9, n_negatives 20, early_exaggeration_iter 4", SMALL, METHODS_INFOTSNE_LOSS,
     infotsne_gradient, infotsne_end},
    {"largevis", "largevis", "perplexity 9", SMALL, METHODS_LARGEVIS_LOSS, largevis_gradient, largevis_end},
    {"largevis, no neighbors drawn", "largevis", "perplexity 5, exclude_neighbors_from_negative_sampling true", SMALL,
     METHODS_LARGEVIS_EXCLUDE_LOSS, largevis_exclude_gradient, largevis_exclude_end},
    {"umap", "umap", "n_neighbors 9, lr 0.1", SMALL, METHODS_UMAP_LOSS, umap_gradient, umap_end},
    {"umap, no neighbors drawn", "umap", "n_neighbors 9, lr 0.1, exclude_neighbors_from_negative_sampling true", SMALL,
     METHODS_UMAP_EXCLUDE_LOSS, umap_exclude_gradient, umap_exclude_end},
    {"affinity_matcher, cross entropy", "affinity_matcher", "perplexity 9, lr 0.1, loss_fn cross_entropy_loss", SMALL,
     METHODS_MATCHER_CROSS_LOSS, matcher_cross_gradient, matcher_cross_end},
    {"affinity_matcher, squares", "affinity_matcher",
     "perplexity 9, lr 0.1, affinity_out gaussian, normalization rows, loss_fn square_loss", SMALL,
     METHODS_MATCHER_SQUARE_LOSS, matcher_square_gradient, matcher_square_end},
    {"pacmap", "pacmap", "iter_per_phase 3", LARGE, METHODS_PACMAP_LOSS, pacmap_gradient, pacmap_end},
};

/* The gradient in three columns, where other loops run: as above, with other starts. */
#define SPACE "n_components 3, "

static const oracle_case space[] = {
    {"sne", "sne", SPACE "perplexity 9", SMALL, METHODS_SNE_SPACE_LOSS, sne_space, NULL},
    {"cosne", "cosne", SPACE "perplexity 9", METHODS_SMALL, METHODS_COSNE_SCALE, near_0, METHODS_COSNE_ARRAY_SPACE_LOSS,
     cosne_array_space, NULL},
    {"tsnekhorn", "tsnekhorn", SPACE "perplexity 9, tol_affinity 1e-6", SMALL, METHODS_TSNEKHORN_SPACE_LOSS,
     tsnekhorn_space, NULL},
    {"infotsne", "infotsne", SPACE "perplexity 9, n_negatives 20", SMALL, METHODS_INFOTSNE_SPACE_LOSS, infotsne_space,
     NULL},
    {"largevis", "largevis", SPACE "perplexity 9", SMALL, METHODS_LARGEVIS_SPACE_LOSS, largevis_space, NULL},
    {"umap", "umap", SPACE "n_neighbors 9", SMALL, METHODS_UMAP_SPACE_LOSS, umap_space, NULL},
    {"affinity_matcher", "affinity_matcher", SPACE "perplexity 9, loss_fn cross_entropy_loss", SMALL,
     METHODS_MATCHER_CROSS_SPACE_LOSS, matcher_cross_space, NULL},
    {"pacmap", "pacmap", SPACE "iter_per_phase 3", 100, 1, methods_start, METHODS_PACMAP_SPACE_LOSS, pacmap_space,
     NULL},
};

/* On t-SNE; what torch would choose otherwise than libne is written out. */
#define TSNE "perplexity 9, early_exaggeration_iter 4, "

static const oracle_case optimizers[] = {
    {"sgd, StepLR", "tsne",
     TSNE "lr 20, momentum 0.7, nesterov true, weight_decay 1e-3, scheduler step, scheduler_step_size 3, "
          "scheduler_gamma 0.5",
     SMALL, NAN, NULL, sgd_end},
    {"sgd, LinearLR", "tsne", TSNE "lr 20, momentum 0.7, dampening 0.2, scheduler linear", SMALL, NAN, NULL,
     dampened_end},
    {"adam, LinearLR", "tsne",
     TSNE "lr 0.3, optimizer adam, amsgrad true, weight_decay 1e-2, scheduler linear, scheduler_start_factor 0.5, "
          "scheduler_end_factor 1, scheduler_total_iters 3",
     SMALL, NAN, NULL, adam_end},
    {"adamw, ExponentialLR", "tsne",
     TSNE "lr 0.3, optimizer adamw, beta1 0.8, beta2 0.99, scheduler exponential, scheduler_gamma 0.8", SMALL, NAN,
     NULL, adamw_end},
    {"adagrad, CosineAnnealingLR", "tsne",
     TSNE "lr 0.5, optimizer adagrad, lr_decay 0.1, initial_accumulator_value 1e-3, scheduler cosine, "
          "scheduler_t_max 8, scheduler_eta_min 0.05",
     SMALL, NAN, NULL, adagrad_end},
    {"rmsprop", "tsne", TSNE "lr 0.1, optimizer rmsprop, alpha 0.9, momentum 0.5, centered true", SMALL, NAN, NULL,
     rmsprop_end},
};
enum {
    SPACES     = sizeof space / sizeof *space,
    CASES      = sizeof cases / sizeof *cases,
    OPTIMIZERS = sizeof optimizers / sizeof *optimizers,
    DEFAULTS   = sizeof methods_defaults / sizeof *methods_defaults
};

static ne_context   *ctx;
static ne_embedding *e;
static double        x[METHODS_LARGE * METHODS_D];

static void open_all(void)
{
    OK(ne_context_create(&ctx));
    for (size_t i = 0; i < METHODS_LARGE * 2; i++) near_0[i] = methods_start[i] / 5;
}

static void close_all(void)
{
    ne_embedding_free(e);
    e = NULL;
    ne_context_free(ctx);
}

static ne_dense view(const void *data, size_t rows, size_t cols)
{
    const ne_dense v = {sizeof v, (void *)(uintptr_t)data, rows, cols, cols, NE_F64, NE_HOST};
    return v;
}

static void set_options(const char *options)
{
    char name[NE_NAME_SIZE], value[NE_NAME_SIZE];
    int  length = 0;
    for (const char *at = options; sscanf(at, "%47s %47[^, ]%n", name, value, &length) == 2; at += length + 1) {
        OK(ne_embedding_set(e, name, value));
        if (!at[length]) break;
    }
}

static ne_dense begin(const oracle_case *o, size_t c)
{
    const ne_dense init = view(o->start, o->n, c);
    OK(ne_embedding_create(ctx, o->method, &e));
    OK(ne_embedding_set(e, "reference", "torchdr"));
    OK(ne_embedding_set_int(e, "random_state", METHODS_SEED));
    OK(ne_embedding_set_int(e, "max_iter", METHODS_STEPS));
    OK(ne_embedding_set_array(e, "init", &init));
    set_options(o->options);
    for (size_t i = 0; i < o->n * METHODS_D; i++) x[i] = methods_x[i] * o->x_scale;
    return view(x, o->n, METHODS_D);
}

/* The largest difference, as a part of the largest value wanted. */
static double apart(const double *got, const double *want, size_t count)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(want[i]));
        worst   = fabs(got[i] - want[i]) <= worst ? worst : fabs(got[i] - want[i]);
    }
    return worst / largest;
}

static void check_objective(const oracle_case *o, size_t c)
{
    const ne_dense data = begin(o, c);
    double         gradient[METHODS_LARGE * 2], loss = NAN;
    OK(ne_embedding_start(e, NULL, &data));
    OK(embedding_evaluate(e, o->start, gradient, NULL));
    OK(embedding_evaluate(e, o->start, NULL, &loss));
    /* affinities and forces are floats: 6e-8 each, and sums of some dozens of them */
    const double off = apart(gradient, o->gradient, o->n * c);
    ck_assert_msg(off < 3e-6, "%s: gradient off by %.2g", o->label, off);
    if (!isnan(o->loss))
        ck_assert_msg(fabs(loss - o->loss) < 1e-6 * fabs(o->loss), "%s: objective %.9g, wanted %.9g", o->label, loss,
                      o->loss);
}

START_TEST(objective_and_gradient_are_those_of_torchdr)
{
    check_objective(&cases[_i], 2);
}
END_TEST

START_TEST(objective_and_gradient_in_three_columns_are_those_of_torchdr)
{
    check_objective(&space[_i], 3);
}
END_TEST

START_TEST(evaluating_twice_gives_the_same_bits)
{
    const oracle_case *o    = &cases[_i];
    const ne_dense     data = begin(o, 2);
    double             first[METHODS_LARGE * 2], second[METHODS_LARGE * 2], loss[2];
    OK(ne_embedding_start(e, NULL, &data));
    OK(embedding_evaluate(e, o->start, first, &loss[0]));
    OK(embedding_evaluate(e, o->start, second, &loss[1]));
    ck_assert_msg(memcmp(&loss[0], &loss[1], sizeof *loss) == 0, "%s: objective %.17g, then %.17g", o->label, loss[0],
                  loss[1]);
    for (size_t i = 0; i < o->n * 2; i++)
        ck_assert_msg(memcmp(&first[i], &second[i], sizeof *first) == 0, "%s: gradient %zu is %.17g, then %.17g",
                      o->label, i, first[i], second[i]);
}
END_TEST

static void check_ten_steps(const oracle_case *o)
{
    const ne_dense data = begin(o, 2);
    double         z[METHODS_LARGE * 2];
    const ne_dense to = view(z, o->n, 2);
    OK(ne_embedding_fit(e, &data, &to));
    /* a change of 1e-7 in x and start, as rounding to float makes, changes the tenth layout by up to 5e-5 (umap) */
    const double off = apart(z, o->end, o->n * 2);
    ck_assert_msg(off < 2e-4, "%s: layout off by %.2g", o->label, off);
}

START_TEST(ten_steps_are_those_of_torchdr)
{
    check_ten_steps(&cases[_i]);
}
END_TEST

START_TEST(optimizers_and_schedulers_are_those_of_torch)
{
    check_ten_steps(&optimizers[_i]);
}
END_TEST

START_TEST(defaults_are_those_of_torchdr)
{
    const char *const *row = methods_defaults[_i];
    char               text[NE_NAME_SIZE];
    OK(ne_embedding_create(ctx, row[0], &e));
    OK(ne_embedding_set(e, "reference", "torchdr"));
    OK(ne_embedding_get(e, row[1], text, sizeof text));
    char        *end   = NULL;
    const double value = strtod(row[2], &end);
    const int    same  = *end == '\0' ? strtod(text, NULL) == value : strcmp(text, row[2]) == 0;
    ck_assert_msg(same, "%s: %s is %s, %s in TorchDR", row[0], row[1], text, row[2]);
}
END_TEST

Suite *oracle_methods_suite(void);

Suite *oracle_methods_suite(void)
{
    Suite *s = suite_create("oracle of methods");
    TCase *t = tcase_create("torchdr");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, objective_and_gradient_are_those_of_torchdr, 0, CASES);
    tcase_add_loop_test(t, objective_and_gradient_in_three_columns_are_those_of_torchdr, 0, SPACES);
    tcase_add_loop_test(t, evaluating_twice_gives_the_same_bits, 0, CASES);
    tcase_add_loop_test(t, ten_steps_are_those_of_torchdr, 0, CASES);
    tcase_add_loop_test(t, optimizers_and_schedulers_are_those_of_torch, 0, OPTIMIZERS);
    tcase_add_loop_test(t, defaults_are_those_of_torchdr, 0, DEFAULTS);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(oracle_methods_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
