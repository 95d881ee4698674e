package com.example.quotes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;
import org.junit.jupiter.api.Test;

class PricingTest {

    private static final LocalDate TODAY = LocalDate.of(2026, 3, 1);

    private static Quote quote(Customer customer, String country, String voucher, int quantity, String price) {
        Order.Line line = new Order.Line("SAIL-12", quantity, new BigDecimal(price));
        return Pricing.quote("1", new Order(customer, country, voucher, List.of(line)), TODAY);
    }

    @Test
    void taxIsAddedToThePrice() {
        Quote quote = quote(Customer.RETAIL, "DE", null, 1, "10.00");
        assertEquals(new BigDecimal("1.90"), quote.tax());
        assertEquals(new BigDecimal("11.90"), quote.total());
        assertEquals(LocalDate.of(2026, 3, 15), quote.validUntil());
    }

    @Test
    void anExportIsNotTaxed() {
        assertEquals(new BigDecimal("10.00"), quote(Customer.RETAIL, "US", null, 1, "10.00").total());
    }

    @Test
    void quantityAndContractLowerThePriceOneAfterTheOther() {
        Quote quote = quote(Customer.BUSINESS, "US", null, 12, "19.90");
        assertEquals(new BigDecimal("231.64"), quote.goods());
        assertEquals(new BigDecimal("220.06"), quote.net());
    }

    @Test
    void reductionsStopAtThirtyPercent() {
        Quote quote = quote(Customer.PARTNER, "US", "SPRING25", 1, "100.00");
        assertEquals(new BigDecimal("70.00"), quote.net());
    }

    @Test
    void aVoucherNobodyGaveOutIsRefused() {
        assertThrows(Pricing.UnknownVoucher.class, () -> quote(Customer.RETAIL, "DE", "NOSUCH", 1, "1.00"));
    }
}
