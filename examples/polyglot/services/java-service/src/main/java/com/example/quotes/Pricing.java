package com.example.quotes;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * The rules that make an order a quote, in this order: volume discount per line, contract discount,
 * voucher, tax. Reductions together never exceed 30 % of the goods. Money is rounded half up to cents
 * at each step that the customer sees.
 */
public final class Pricing {

    private static final BigDecimal LARGEST_REDUCTION = new BigDecimal("0.30");
    private static final int VALID_DAYS = 14;

    /** From this quantity of one article on, that share is taken off its price. */
    private static final NavigableMap<Integer, BigDecimal> VOLUME = new TreeMap<>(Map.of(
            1, new BigDecimal("0.00"),
            10, new BigDecimal("0.03"),
            50, new BigDecimal("0.07"),
            200, new BigDecimal("0.12")));

    private static final Map<String, BigDecimal> VOUCHERS = Map.of(
            "WELCOME10", new BigDecimal("0.10"),
            "SPRING25", new BigDecimal("0.25"));

    /** Standard rates of value added tax. A country that is not listed is an export: no tax. */
    private static final Map<String, BigDecimal> TAX = Map.of(
            "AT", new BigDecimal("0.20"),
            "DE", new BigDecimal("0.19"),
            "ES", new BigDecimal("0.21"),
            "FR", new BigDecimal("0.20"),
            "IE", new BigDecimal("0.23"),
            "IT", new BigDecimal("0.22"),
            "NL", new BigDecimal("0.21"));

    private Pricing() {}

    /** Thrown for a voucher that nobody gave out. */
    public static final class UnknownVoucher extends RuntimeException {
        public UnknownVoucher(String voucher) {
            super("voucher " + voucher + " is not known");
        }
    }

    /** The quote for an order that has been validated. */
    public static Quote quote(String id, Order order, LocalDate today) {
        List<Quote.PricedLine> lines = order.lines().stream().map(Pricing::priced).toList();
        BigDecimal goods = lines.stream().map(Quote.PricedLine::price).reduce(BigDecimal.ZERO, BigDecimal::add);
        List<Quote.Reduction> reductions = reductions(order, goods);
        BigDecimal net = reductions.stream().map(Quote.Reduction::amount).reduce(goods, BigDecimal::subtract);
        BigDecimal rate = TAX.getOrDefault(order.country(), BigDecimal.ZERO);
        BigDecimal tax = cents(net.multiply(rate));
        return new Quote(
                id, lines, goods, reductions, net, rate, tax, net.add(tax), today.plusDays(VALID_DAYS));
    }

    private static Quote.PricedLine priced(Order.Line line) {
        BigDecimal discount = VOLUME.floorEntry(line.quantity()).getValue();
        BigDecimal full = line.unitPrice().multiply(BigDecimal.valueOf(line.quantity()));
        BigDecimal price = cents(full.multiply(BigDecimal.ONE.subtract(discount)));
        return new Quote.PricedLine(line.sku(), line.quantity(), discount, price);
    }

    private static List<Quote.Reduction> reductions(Order order, BigDecimal goods) {
        BigDecimal room = cents(goods.multiply(LARGEST_REDUCTION));
        List<Quote.Reduction> given = new ArrayList<>();
        room = give(given, room, "contract " + order.customer(), goods.multiply(order.customer().discount()));
        if (order.voucher() != null) {
            BigDecimal share = VOUCHERS.get(order.voucher());
            if (share == null) {
                throw new UnknownVoucher(order.voucher());
            }
            give(given, room, "voucher " + order.voucher(), goods.multiply(share));
        }
        return List.copyOf(given);
    }

    /** Takes off what there is room for, and says how much room is left. */
    private static BigDecimal give(
            List<Quote.Reduction> given, BigDecimal room, String reason, BigDecimal wanted) {
        BigDecimal amount = cents(wanted).min(room);
        if (amount.signum() > 0) {
            given.add(new Quote.Reduction(reason, amount));
        }
        return room.subtract(amount);
    }

    private static BigDecimal cents(BigDecimal money) {
        return money.setScale(2, RoundingMode.HALF_UP);
    }
}
