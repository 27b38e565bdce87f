/* methods/methods.h: the built-in methods. Each is a table that goes through ne_method_register() like a user's own. */
#ifndef NE_METHODS_METHODS_H
#define NE_METHODS_METHODS_H

#include "ne.h"

extern const ne_method_ops method_tsne, method_pca;

#endif
