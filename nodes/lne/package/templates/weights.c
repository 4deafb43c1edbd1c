/* Constants of @name@.c, little-endian, as the layers read them. */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian only"
#endif

#if @machine@
const unsigned char @name@_weights[@size@] __attribute__((aligned(64))) =
@data@;
#endif
