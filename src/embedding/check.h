/* embedding/check.h: loss and gradient of the next step at any place. */
#ifndef NE_EMBEDDING_CHECK_H
#define NE_EMBEDDING_CHECK_H

#include "embedding/embedding.h"

/* At y (n x c, the caller's order, narrowed to float; NULL: where the embedding stands): the weighted loss, in double
 * where the method computes it so, and its gradient, in the caller's order. Outputs may be NULL. The fit is left as it
 * was. */
ne_status embedding_evaluate(ne_embedding *e, const double *y, double *gradient, double *loss);
ne_status embedding_check_gradient(ne_embedding *e, const double *y, ne_gradient_report *report);

#endif
