/* io/progress.c: the live line, rewritten in place ten times a second and at each new phase. */
#include "io/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double INTERVAL  = 0.1;
static const int    SIGNALS[] = {SIGINT, SIGTERM};

static volatile sig_atomic_t stop_asked;

static void progress_stop(int signal)
{
    (void)signal;
    stop_asked = 1;
}

static double progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(progress *of, const char *method, int shown)
{
    struct sigaction action = {.sa_handler = progress_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    *of = (progress){.method = method, .shown = shown && isatty(STDERR_FILENO), .begin = progress_clock()};
    for (int i = 0; i < 2; i++) {
        sigaction(SIGNALS[i], NULL, &of->before[i]);
        if (of->before[i].sa_handler != SIG_IGN) sigaction(SIGNALS[i], &action, NULL);
    }
}

int progress_report(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    progress    *of  = user;
    const double now = progress_clock();
    (void)loss;
    const int changed = strcmp(of->phase, phase) != 0;
    snprintf(of->phase, sizeof of->phase, "%s", phase);
    of->step  = step;
    of->steps = steps;
    if (of->shown && (now - of->last >= INTERVAL || changed || !of->drawn)) {
        fprintf(stderr, "\r%s: %s", of->method, phase);
        if (steps > 0) fprintf(stderr, " %lld/%lld, %.0f%%", of->step, of->steps, 100 * (double)step / (double)steps);
        if (isfinite(gradient_norm)) fprintf(stderr, ", gradient %.2e", gradient_norm);
        fprintf(stderr, ", %.1f s\033[K", now - of->begin);
        fflush(stderr);
        of->last  = now;
        of->drawn = 1;
    }
    return stop_asked;
}

void progress_wipe(progress *of)
{
    if (of->drawn) fprintf(stderr, "\r\033[K");
    of->drawn = 0;
}

void progress_end(progress *of)
{
    progress_wipe(of);
    for (int i = 0; i < 2; i++) sigaction(SIGNALS[i], &of->before[i], NULL);
}
