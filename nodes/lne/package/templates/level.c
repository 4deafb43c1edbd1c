/* @name@ for @target@: the layers, one function each. Workspace @workspace_bytes@ bytes, weights @weights_bytes@ bytes. */

#include "@name@_level.h"
@pragma@
#if @condition@

@front_end@@source@
const @name@_code @prefix@_code = {"@target@", @prefix@_prepare, @prefix@_run@functions@};

#else

const @name@_code @prefix@_code = {"@target@", 0, 0@nothing@};

#endif
