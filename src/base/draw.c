/* base/draw.c: the random numbers of hooks; see ne.h. */
#include "base/random.h"
#include "ne.h"

void ne_draw(const ne_problem *problem, uint32_t step, uint64_t row, uint32_t slot, uint32_t word[4])
{
    const random_block b = random_draw(problem->seed, STREAM_METHOD, step, row, slot);
    for (int i = 0; i < 4; i++) word[i] = b.word[i];
}

uint32_t ne_draw_rotation(const ne_problem *problem, uint32_t step, uint32_t slot)
{
    const random_block b = random_draw(problem->seed, STREAM_NEGATIVE, step, UINT64_MAX, slot);
    return 1 + (uint32_t)random_below(b.word[0], b.word[1], problem->n - 1);
}
