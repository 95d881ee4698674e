package com.example.quotes;

import java.math.BigDecimal;

/** Kinds of customers, each with the discount of its contract. */
public enum Customer {
    RETAIL("0.00"),
    BUSINESS("0.05"),
    PARTNER("0.10");

    private final BigDecimal discount;

    Customer(String discount) {
        this.discount = new BigDecimal(discount);
    }

    public BigDecimal discount() {
        return discount;
    }
}
