/* cpu/optimizers.c: the optimizers of torch.optim, with its formulas, and Riemannian Adam on the Poincare ball.
 *
 * Per coordinate, r the rate, t = 1, 2, ... the update, g the gradient plus weight_decay z:
 *   adam      m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2  (amsgrad: the largest v so far is used in its place)
 *             z -= r m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)                              (Kingma & Ba 2015)
 *   adamw     the same without weight_decay in g; z is first scaled by 1 - r weight_decay  (Loshchilov & Hutter 2019)
 *   adagrad   v += g^2,  z -= r / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps)                       (Duchi et al. 2011)
 *   rmsprop   v = a v + (1 - a) g^2,  centered: h = a h + (1 - a) g, v - h^2 in place of v  (Tieleman & Hinton 2012)
 *             b = momentum b + g / (sqrt(v) + eps),  z -= r b
 *
 * u holds m in adam, -r b in rmsprop and the last displacement in adagrad; second holds v, third the largest v or h.
 * Each is one pass over a tile that is in the first-level cache, with a square root and a division a coordinate. */
#include "cpu/optimizers.h"

#include "base/clones.h"

#include <float.h>
#include <math.h>

/* --- Per coordinate ---------------------------------------------------------------------------------------------- */

optimizer_numbers optimizer_of(const update_job *job)
{
    const optimizer_rule *rule = job->rule;
    const double          t    = (double)job->count;
    optimizer_numbers     by   = {.kind         = rule->kind,
                                  .weight_decay = (float)rule->weight_decay,
                                  .rate         = (float)job->rate,
                                  .momentum     = (float)job->momentum,
                                  .eps          = (float)rule->eps,
                                  .centered     = rule->centered};
    if (rule->kind == OPTIMIZER_ADAM || rule->kind == OPTIMIZER_ADAMW) {
        by.keep     = (float)rule->beta1;
        by.mix      = (float)(1 - rule->beta1);
        by.keep2    = (float)rule->beta2;
        by.mix2     = (float)(1 - rule->beta2);
        by.rate     = (float)(job->rate / (1 - pow(rule->beta1, t)));
        by.correct2 = (float)(1 / sqrt(1 - pow(rule->beta2, t)));
        if (rule->kind == OPTIMIZER_ADAMW) {
            by.decay        = (float)(job->rate * rule->weight_decay);
            by.weight_decay = 0;
        }
    } else if (rule->kind == OPTIMIZER_RMSPROP) {
        by.keep = (float)rule->alpha;
        by.mix  = (float)(1 - rule->alpha);
    } else if (rule->kind == OPTIMIZER_ADAGRAD) {
        by.rate = (float)(job->rate / (1 + (t - 1) * rule->lr_decay));
    }
    return by;
}

int optimizer_displaces(const update_job *job)
{
    const optimizer_rule *rule = job->rule;
    return rule && (rule->kind == OPTIMIZER_ADAM || rule->kind == OPTIMIZER_ADAMW ||
                    (rule->kind == OPTIMIZER_SGD && rule->nesterov));
}

NE_CLONES static void optimizer_adam(size_t count, optimizer_numbers by, const float *restrict g,
                                     const float *restrict z, float *restrict m, float *restrict v,
                                     float *restrict largest, float *restrict d)
{
    if (largest) {
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            m[i]       = by.keep * m[i] + by.mix * g[i];
            v[i]       = by.keep2 * v[i] + by.mix2 * g[i] * g[i];
            largest[i] = largest[i] > v[i] ? largest[i] : v[i];
            d[i]       = -by.rate * m[i] / (sqrtf(largest[i]) * by.correct2 + by.eps) - by.decay * z[i];
        }
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            m[i] = by.keep * m[i] + by.mix * g[i];
            v[i] = by.keep2 * v[i] + by.mix2 * g[i] * g[i];
            d[i] = -by.rate * m[i] / (sqrtf(v[i]) * by.correct2 + by.eps) - by.decay * z[i];
        }
    }
}

NE_CLONES static void optimizer_adagrad(size_t count, optimizer_numbers by, const float *restrict g, float *restrict v,
                                        float *restrict d)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) {
        v[i] += g[i] * g[i];
        d[i] = -by.rate * g[i] / (sqrtf(v[i]) + by.eps);
    }
}

/* v - h^2 is a variance; rounding may put it a little below 0, where torch has a NaN. */
NE_CLONES static void optimizer_rmsprop(size_t count, optimizer_numbers by, const float *restrict g, float *restrict v,
                                        float *restrict h, float *restrict u)
{
    if (by.centered) {
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            v[i]                 = by.keep * v[i] + by.mix * g[i] * g[i];
            h[i]                 = by.keep * h[i] + by.mix * g[i];
            const float variance = v[i] - h[i] * h[i];
            u[i]                 = by.momentum * u[i] - by.rate * g[i] / (sqrtf(variance > 0 ? variance : 0) + by.eps);
        }
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            v[i] = by.keep * v[i] + by.mix * g[i] * g[i];
            u[i] = by.momentum * u[i] - by.rate * g[i] / (sqrtf(v[i]) + by.eps);
        }
    }
}

void optimizer_tile(const optimizer_numbers *by, size_t count, const float *g, const float *z, float *u, float *second,
                    float *third, float *d)
{
    if (by->kind == OPTIMIZER_ADAGRAD) optimizer_adagrad(count, *by, g, second, u);
    else if (by->kind == OPTIMIZER_RMSPROP) optimizer_rmsprop(count, *by, g, second, third, u);
    else optimizer_adam(count, *by, g, z, u, second, third, d);
}

/* --- On the Poincare ball (Becigneul & Ganea 2019; curvature 1) --------------------------------------------------
 *
 * With l = 2 / (1 - |y|^2), per point:
 *   R = g / l^2,  m = b1 m + (1 - b1) R,  v = b2 v + (1 - b2) l^2 |R|^2, one number a point,
 *   T = -a m / (sqrt(v) + eps),  a = r sqrt(1 - b2^e) / (1 - b1^e),
 *   y' = y (+) tanh(l |T| / 2) T / |T|, then drawn inside radius EDGE,
 *   m' = gyr[y', -y](m) l / l',
 *   a (+) b = ((1 + 2 ab + b^2) a + (1 - a^2) b) / (1 + 2 ab + a^2 b^2),
 *   gyr[a, b](z) = z + 2 (A a + B b) / (1 + 2 ab + a^2 b^2),  A = -(az) b^2 + (bz) + 2 (ab)(bz),  B = -(bz) a^2 - (az).
 * All vectors are combinations of y and m, so the coefficients follow from yy, ym and mm, and a row needs no scratch.
 * In double: near the rim 1 - |y|^2 is 2e-5, and all but one digit of it would be gone in float arithmetic. */

static const double EDGE = 1 - 1e-5, TINY = 1e-15;

typedef struct ball_step {
    double beta1, beta2, eps, alpha, weight_decay;
} ball_step;

/* y' = from_y y + from_m m, m' = m_from_y y + m_from_m m. */
typedef struct ball_move {
    double from_y, from_m, m_from_y, m_from_m;
} ball_move;

static ball_move ball_move_of(double yy, double ym, double mm, double tau)
{
    const double l = 2 / fmax(1 - yy, TINY), length = fmax(tau * sqrt(mm), TINY);
    const double s  = -tau * tanh(fmin(l * length / 2, 15)) / length; /* the step is s m */
    const double yx = s * ym, xx = s * s * mm, below = fmax(1 + 2 * yx + yy * xx, TINY);
    ball_move    by = {.from_y = (1 + 2 * yx + xx) / below, .from_m = (1 - yy) * s / below};
    const double reach =
        sqrt(fmax(by.from_y * by.from_y * yy + 2 * by.from_y * by.from_m * ym + by.from_m * by.from_m * mm, 0));
    if (reach > EDGE) {
        by.from_y *= EDGE / reach;
        by.from_m *= EDGE / reach;
    }
    const double aa = fmin(reach, EDGE) * fmin(reach, EDGE), ab = -(by.from_y * yy + by.from_m * ym);
    const double az = by.from_y * ym + by.from_m * mm, bz = -ym;
    const double turn = 2 / fmax(1 + 2 * ab + aa * yy, TINY), ratio = l * fmax(1 - aa, TINY) / 2;
    const double A = -az * yy + bz + 2 * ab * bz, B = -bz * aa - az;
    by.m_from_m = ratio * (1 + turn * A * by.from_m);
    by.m_from_y = ratio * turn * (A * by.from_y - B);
    return by;
}

/* One row; c is a constant where this is inlined. Returns |R|^2. */
NE_INLINE double move_row(size_t c, const update_job *job, ball_step by, size_t row, int *bad)
{
    const float *toward = job->attraction + row * c, *away = job->repulsion ? job->repulsion + row * c : NULL;
    float       *y = job->z + row * c, *m = job->u + row * c, *v = job->second + row * c;
    double       yy = 0, ym = 0, mm = 0, square = 0, used;

    for (size_t k = 0; k < c; k++) yy += (double)y[k] * (double)y[k];
    const double l2 = job->poincare ? 4 / (fmax(1 - yy, TINY) * fmax(1 - yy, TINY)) : 1;
    for (size_t k = 0; k < c; k++) {
        const double g = job->attract_scale * (double)toward[k] - (away ? job->repulse_scale * (double)away[k] : 0) +
                         by.weight_decay * (double)y[k];
        const double moment = by.beta1 * (double)m[k] + (1 - by.beta1) * (g / l2);
        square += g / l2 * (g / l2);
        ym += (double)y[k] * moment;
        mm += moment * moment;
        m[k] = (float)moment;
    }
    used = by.beta2 * (double)v[0] + (1 - by.beta2) * l2 * square;
    v[0] = (float)used;
    if (job->third) {
        used                = fmax(used, (double)job->third[row * c]);
        job->third[row * c] = (float)used;
    }
    const double tau = by.alpha / (sqrt(used) + by.eps);
    if (job->poincare) {
        const ball_move move = ball_move_of(yy, ym, mm, tau);
        for (size_t k = 0; k < c; k++) {
            const double at = (double)y[k], moment = (double)m[k];
            y[k] = (float)(move.from_y * at + move.from_m * moment);
            m[k] = (float)(move.m_from_y * at + move.m_from_m * moment);
        }
    } else {
        for (size_t k = 0; k < c; k++) y[k] = (float)((double)y[k] - tau * (double)m[k]);
    }
    for (size_t k = 0; k < c; k++) *bad += !(fabsf(y[k]) <= FLT_MAX);
    return square;
}

double optimizer_riemannian(const update_job *job, size_t row0, size_t row1, int *bad)
{
    const optimizer_rule *rule = job->rule;
    /* The reference counts each step twice, the second time after it. */
    const double    e   = (double)(rule->reference ? 2 * job->count - 1 : job->count);
    const ball_step by  = {.beta1        = rule->beta1,
                           .beta2        = rule->beta2,
                           .eps          = rule->eps,
                           .alpha        = job->rate * sqrt(1 - pow(rule->beta2, e)) / (1 - pow(rule->beta1, e)),
                           .weight_decay = rule->weight_decay};
    double          sum = 0;
    for (size_t i = row0; i < row1; i++)
        sum += job->c == 2 ? move_row(2, job, by, i, bad) : move_row(job->c, job, by, i, bad);
    return sum;
}
