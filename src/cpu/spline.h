/* cpu/spline.h: weights of cardinal B-splines for eight points at once (lanes are points).
 *
 * A point at distance t in [0, 1) past a node weighs on `order` nodes. With s = t - 1/2 the weights of nodes u and
 * order - 1 - u mirror each other, w(s) = e(s^2) +- s o(s^2): one even and one odd polynomial serve two nodes. */
#ifndef NE_CPU_SPLINE_H
#define NE_CPU_SPLINE_H

#include "cpu/lanes.h"

enum {
    SPLINE_SPREAD = 4, /* order of the splines that points are spread with, */
    SPLINE_GATHER = 6  /* and of those that are differentiated, which takes two orders more for the same error */
};

NE_INLINE void spline_weights4(lanes s, lanes w[4])
{
    const lanes v  = s * s;
    const lanes e0 = v * (1.0f / 4) + 1.0f / 48, o0 = v * (-1.0f / 6) - 1.0f / 8;
    const lanes e1 = v * (-1.0f / 4) + 23.0f / 48, o1 = v * (1.0f / 2) - 5.0f / 8;
    w[0] = e0 + s * o0;
    w[1] = e1 + s * o1;
    w[2] = e1 - s * o1;
    w[3] = e0 - s * o0;
}

NE_INLINE void spline_weights6(lanes s, lanes w[6])
{
    const lanes v  = s * s;
    const lanes e0 = (v * (1.0f / 48) + 1.0f / 96) * v + 1.0f / 3840;
    const lanes o0 = (v * (-1.0f / 120) - 1.0f / 48) * v - 1.0f / 384;
    const lanes e1 = (v * (-1.0f / 16) + 7.0f / 32) * v + 79.0f / 1280;
    const lanes o1 = (v * (1.0f / 24) - 1.0f / 16) * v - 25.0f / 128;
    const lanes e2 = (v * (1.0f / 24) - 11.0f / 48) * v + 841.0f / 1920;
    const lanes o2 = (v * (-1.0f / 12) + 7.0f / 24) * v - 77.0f / 192;
    w[0]           = e0 + s * o0;
    w[1]           = e1 + s * o1;
    w[2]           = e2 + s * o2;
    w[3]           = e2 - s * o2;
    w[4]           = e1 - s * o1;
    w[5]           = e0 - s * o0;
}

/* d / ds of the above. */
NE_INLINE void spline_slopes6(lanes s, lanes w[6])
{
    const lanes v  = s * s;
    const lanes e0 = v * (1.0f / 12) + 1.0f / 48;
    const lanes o0 = (v * (-1.0f / 24) - 1.0f / 16) * v - 1.0f / 384;
    const lanes e1 = v * (-1.0f / 4) + 7.0f / 16;
    const lanes o1 = (v * (5.0f / 24) - 3.0f / 16) * v - 25.0f / 128;
    const lanes e2 = v * (1.0f / 6) - 11.0f / 24;
    const lanes o2 = (v * (-5.0f / 12) + 7.0f / 8) * v - 77.0f / 192;
    w[0]           = s * e0 + o0;
    w[1]           = s * e1 + o1;
    w[2]           = s * e2 + o2;
    w[3]           = s * e2 - o2;
    w[4]           = s * e1 - o1;
    w[5]           = s * e0 - o0;
}

#endif
