package com.example.quotes;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;

/** A binding price: every discount that was given, the tax and the sum to pay, in euros. */
public record Quote(
        String id,
        List<PricedLine> lines,
        BigDecimal goods,
        List<Reduction> reductions,
        BigDecimal net,
        BigDecimal taxRate,
        BigDecimal tax,
        BigDecimal total,
        LocalDate validUntil) {

    /** One article: its price for that quantity, and the volume discount already taken off. */
    public record PricedLine(String sku, int quantity, BigDecimal volumeDiscount, BigDecimal price) {}

    /** What was taken off the goods, and why. */
    public record Reduction(String reason, BigDecimal amount) {}
}
