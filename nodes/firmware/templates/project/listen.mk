
listen.elf: $(SOURCES) app.c listen.c $(wildcard *.h) test.ld
	$(CC) $(FLAGS) -T test.ld $(SOURCES) app.c listen.c $(LIBRARIES) -o $@

---

	$(RUN) listen.elf
