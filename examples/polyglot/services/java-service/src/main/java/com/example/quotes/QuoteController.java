package com.example.quotes;

import jakarta.validation.Valid;
import java.net.URI;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.MethodArgumentNotValidException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** Makes quotes and keeps the latest of them in memory. */
@RestController
@RequestMapping("/api/v1/quotes")
public class QuoteController {

    private static final int KEPT = 1000;

    private final Map<String, Quote> quotes = Collections.synchronizedMap(new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Quote> eldest) {
            return size() > KEPT;
        }
    });

    @PostMapping
    public ResponseEntity<Quote> make(@Valid @RequestBody Order order) {
        String id = UUID.randomUUID().toString();
        Quote quote = Pricing.quote(id, order, LocalDate.now(ZoneOffset.UTC));
        quotes.put(id, quote);
        return ResponseEntity.created(URI.create("/api/v1/quotes/" + id)).body(quote);
    }

    @GetMapping("/{id}")
    public ResponseEntity<Quote> find(@PathVariable("id") String id) {
        return ResponseEntity.of(Optional.ofNullable(quotes.get(id)));
    }

    @ExceptionHandler
    ProblemDetail unknown(Pricing.UnknownVoucher fault) {
        return ProblemDetail.forStatusAndDetail(HttpStatus.UNPROCESSABLE_ENTITY, fault.getMessage());
    }

    @ExceptionHandler
    ProblemDetail invalid(MethodArgumentNotValidException fault) {
        ProblemDetail problem = ProblemDetail.forStatusAndDetail(HttpStatus.BAD_REQUEST, "the order is not valid");
        Map<String, String> fields = new LinkedHashMap<>();
        fault.getFieldErrors().forEach(field -> fields.put(field.getField(), field.getDefaultMessage()));
        problem.setProperty("fields", fields);
        return problem;
    }
}
