/* Constants of @name@.c, little-endian, as the layers read them: @size@ bytes, taken from @name@_weights.bin by the
   assembler, which looks for it in the current folder and where -I says. */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian only"
#endif

#if @machine@
#if defined(__APPLE__)
__asm__(".const\n.globl _@name@_weights\n.p2align 6\n_@name@_weights:\n.incbin \"@name@_weights.bin\"\n.text\n");
#else
__asm__(".section .rodata\n.globl @name@_weights\n.balign 64\n@name@_weights:\n.incbin \"@name@_weights.bin\"\n.text\n");
#endif
#else
typedef int nothing;
#endif
