"""Prices: from AWS's price list, in its documented form, or from the table with its dates."""

from __future__ import annotations

import json
import re

import pytest

from launcher.cloud import prices
from launcher.cloud.aws import Aws
from launcher.config import Config


def product(usage, dollars, unit="Hrs", published="2026-11-20T01:02:03Z"):
    """An item of PriceList, as AWS documents it: JSON in a string, with tiers."""
    tiers = {
        f"SKU.JRTCKXETXF.{number}": {"unit": unit, "beginRange": "0", "pricePerUnit": {"USD": f"{amount:.10f}"}}
        for number, amount in enumerate(dollars)
    }
    return json.dumps(
        {
            "product": {"productFamily": "ML Instance", "sku": "SKU", "attributes": {"usagetype": usage}},
            "serviceCode": "AmazonSageMaker",
            "terms": {"OnDemand": {"SKU.JRTCKXETXF": {"effectiveDate": "2026-11-01", "priceDimensions": tiers}}},
            "version": "20261120010203",
            "publicationDate": published,
        }
    )


@pytest.fixture
def listed(monkeypatch, account):
    """`listed(*pages)`: what AWS's price list answers, page by page, to every question; it returns the questions."""
    from botocore.client import BaseClient

    asked = []
    call = BaseClient._make_api_call

    def give(*pages):
        def answer(self, operation, arguments):
            if operation != "GetProducts":
                return call(self, operation, arguments)
            asked.append((self.meta.region_name, self.meta.config, arguments))
            number = int(arguments.get("NextToken", 0))
            more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
            return {"FormatVersion": "aws_v1", "PriceList": pages[number], **more}

        monkeypatch.setattr(BaseClient, "_make_api_call", answer)
        return asked

    return give


def euro():
    return Aws(Config(region="eu-west-1"))


def test_the_price_list_gives_the_price_of_that_use_with_its_disk_and_date(listed):
    asked = listed(
        [product("EU-Host:ml.c5.xlarge", [0.9]), product("EU-Train:ml.c5.2xlarge", [0.8])],
        [product("EU-Train:ml.c5.xlarge", [0, 0.231]), product("EU-Train:VolumeUsage.gp2", [0.154], "GB-Mo")],
    )
    price = prices.training("ml.c5.xlarge", "eu-west-1", euro())
    assert (price.per_hour, price.disk, price.date) == (0.231, 0.154, "2026-11-20")  # and not the free tier
    assert (price.source, price.why_table) == ("AWS's price list", "")
    region, config, arguments = asked[0]
    assert region == "eu-central-1"  # the nearest of the three that have it
    assert config.connect_timeout + config.read_timeout < 10
    assert arguments["ServiceCode"] == "AmazonSageMaker"
    assert {(one["Field"], one["Value"]) for one in arguments["Filters"]} == {
        ("regionCode", "eu-west-1"),
        ("instanceName", "ml.c5.xlarge"),
    }
    assert prices.hosting("ml.c5.xlarge", "eu-west-1", euro()).per_hour == 0.9


def test_the_first_region_has_no_prefix_and_the_list_is_asked_where_it_is(listed):
    asked = listed([product("Train:ml.m5.large", [0.115])])
    assert prices.training("ml.m5.large", "us-west-2", Aws(Config(region="us-west-2"))).per_hour == 0.115
    prices.training("ml.m5.large", "ap-northeast-1", Aws(Config(region="ap-northeast-1")))
    assert [region for region, _, _ in asked] == ["us-east-1"] * 2 + ["ap-south-1"] * 2


@pytest.mark.parametrize(
    "answer",
    [[], ["no JSON"], [json.dumps({"product": {}})], [product("EU-Train:ml.m5.4xlarge", [1])]],
)
def test_a_list_that_cannot_be_used_leads_to_the_table(listed, answer):
    listed(answer)
    price = prices.training("ml.m5.xlarge", "eu-west-1", euro())
    assert (price.per_hour, price.disk, price.date) == (0.257, 0.154, "2023-12")
    assert "bill" in price.source
    assert "price list" in price.why_table


def test_a_list_that_may_not_be_asked_leads_to_the_table_and_says_why(account, refuse):
    refuse("GetProducts", "AccessDeniedException", "User 123456789012 is not authorized")
    price = prices.training("ml.m5.xlarge", "eu-west-1", euro())
    assert price.per_hour == 0.257
    assert "denies GetProducts" in price.why_table
    assert "123456789012" not in price.why_table


def test_china_has_no_price_list_and_nobody_is_asked(listed):
    asked = listed([product("CNN1-Train:ml.m5.xlarge", [9])])
    price = prices.training("ml.m5.xlarge", "cn-north-1", Aws(Config(region="cn-north-1")))
    assert (price.per_hour, price.date, asked) == (None, "", [])


def test_a_price_that_is_not_in_the_table_is_not_known():
    price = prices.training("ml.p2.xlarge", "us-east-1")
    assert (price.per_hour, price.source) == (None, "")
    assert prices.hosting("ml.m5.xlarge", "mx-central-1").per_hour is None


def test_each_price_of_the_table_says_where_it_is_from_and_when():
    table = json.loads(prices.TABLE.read_text())
    known = [
        *(entry for use in ("training", "hosting") for types in table[use].values() for entry in types.values()),
        *(entry for regions in table["disk"].values() for entry in regions.values()),
    ]
    assert {source for _, source in known} == set(table["sources"])
    assert all(0 < price < 100 for price, _ in known)
    assert all(re.fullmatch(r"20\d\d-\d\d(-\d\d)?", source["date"]) for source in table["sources"].values())
    assert all(source["what"] for source in table["sources"].values())


def test_a_larger_machine_of_a_family_is_never_cheaper():
    sizes = ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "9xlarge", "12xlarge", "16xlarge", "18xlarge"]
    for types in json.loads(prices.TABLE.read_text())["training"].values():
        for family in ("m5", "c5", "p3"):
            row = [types[f"ml.{family}.{size}"][0] for size in sizes if f"ml.{family}.{size}" in types]
            assert row == sorted(row)


def test_a_list_of_endpoints_of_one_type_asks_for_its_price_once(listed):
    asked = listed([])
    aws = euro()
    for _ in range(3):
        assert prices.hosting("ml.m5.xlarge", "eu-west-1", aws).why_table
    assert len(asked) == 1
