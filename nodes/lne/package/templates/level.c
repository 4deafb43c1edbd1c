/* @name@ for @target@: the layers, one function each. Workspace @workspace_bytes@ bytes, weights @weights_bytes@ bytes. */

#include "@name@_level.h"
@pragma@
#if @condition@

@source@
const @name@_code @prefix@_code = {"@target@", @prefix@_prepare, @prefix@_run};

#else

const @name@_code @prefix@_code = {"@target@", 0, 0};

#endif
